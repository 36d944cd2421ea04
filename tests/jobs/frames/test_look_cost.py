"""What looking at a film of 1080p takes, and how it is made to fit a small container."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.domain.analysis_size import AnalysisSize
from app.domain.units import MIB
from app.errors import MemoryExceedsLimit
from app.ffmpeg.probe import VideoStream
from app.jobs.frames.look_cost import CALL_BYTES, check_fits, decoder_threads, look_bytes
from app.jobs.kinds.analyze import Analyze, AnalyzeParams
from app.vision.task import vision_tasks
from tests.ffmpeg.clips import make
from tests.jobs.bench import bench

BOX = 640, 480
IN_300_MIB = 198 * MIB
"""What can be granted in a group of 300 MiB: 85 %, less the API process."""


def film() -> VideoStream:
    return VideoStream("h264", 1920, 1080, 1920, 1080, 0, 30.0, False, 900, "yuv420p")


def needed(task: str, limit_bytes: int) -> int:
    two = look_bytes(film(), BOX, 2, vision_tasks()[task]) + CALL_BYTES
    return look_bytes(film(), BOX, decoder_threads(two, limit_bytes), vision_tasks()[task]) + CALL_BYTES


@pytest.mark.parametrize("task", ["hands", "gestures", "face-detection", "face-landmarks", "segmentation"])
def test_a_film_of_1080p_can_be_looked_at_in_300_mib(task: str) -> None:
    assert needed(task, IN_300_MIB) <= IN_300_MIB


def test_what_cannot_fit_is_refused_with_both_numbers() -> None:
    with pytest.raises(MemoryExceedsLimit) as refused:
        check_fits(needed("pose", IN_300_MIB), IN_300_MIB)

    extra: dict[str, Any] = dict(refused.value.extra)
    assert extra["neededBytes"] > extra["limitBytes"] == IN_300_MIB


def test_one_thread_decodes_where_memory_is_short_and_two_where_it_is_not() -> None:
    two = look_bytes(film(), BOX, 2, vision_tasks()["hands"])

    threads = [decoder_threads(two, limit_bytes) for limit_bytes in (IN_300_MIB, 400 * MIB)]

    assert threads == [1, 2]
    assert look_bytes(film(), BOX, 1, vision_tasks()["hands"]) < two


async def test_an_analysis_is_predicted_in_the_size_in_which_frames_are_looked_at(tmp_path: Path) -> None:
    opened = await bench(tmp_path, make(tmp_path / "a.mp4", "-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=25:d=0.2"))

    def predicted(box: AnalysisSize) -> int:
        opened.box = box
        wanted = AnalyzeParams.model_validate({"task": "hands"})
        return Analyze().plan(opened.sources, wanted, opened.means).predicted_bytes

    frame_bytes = 3 * (1920 * 1080 - 640 * 360)
    assert predicted(AnalysisSize(1920, 1080)) >= predicted(AnalysisSize(640, 480)) + 4 * frame_bytes
