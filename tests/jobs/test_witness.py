"""What a job says of its memory: the most of all that was done for it."""

from __future__ import annotations

from typing import cast

from app.domain.pressure import ProcessingMode
from app.domain.receipt import Receipt
from app.ffmpeg.works import FFmpegWorks
from app.jobs.job import JobMemory
from app.jobs.witness import Witness


class _NoWorks:
    abilities = None


def test_the_largest_picture_is_the_peak_and_one_that_was_not_measured_changes_nothing() -> None:
    witness = Witness(cast("FFmpegWorks", _NoWorks()), JobMemory(100, 0, None))

    for predicted, peak in ((40, 30), (120, 90), (50, None)):
        witness.note_picture(Receipt(predicted, peak, ProcessingMode.FULL_QUALITY))

    assert witness.memory == JobMemory(120, 90, None, 0)
