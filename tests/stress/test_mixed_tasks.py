"""All six tasks at once within 300 MiB: every model finds its place in turn, alone and beside a webcam stream."""

# ruff: noqa: T201 - what was measured is printed, for `pytest -rP`

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from app.domain.units import MIB
from benchmarks.group_watch import GroupWatch
from benchmarks.media import extract_frames
from benchmarks.mixed_load import TASKS, MixedAnswers, Target, send_photos, send_photos_beside_a_stream
from benchmarks.service_report import DIED, KILLED, count, watched_levels
from benchmarks.table import percentile
from soak.pictures import Picture, read_pictures
from tests.media_files import media_folder
from tests.stress.running import Stand

pytestmark = [pytest.mark.model, pytest.mark.photo]

SHORT, FULL = 4 * len(TASKS), 20 * len(TASKS)
FULL_MARKS = [pytest.mark.stress, pytest.mark.timeout(600)]
COUNTS = [SHORT, pytest.param(FULL, marks=FULL_MARKS)]

ANSWERED = 0.99
LONGEST_SECONDS, P99_SECONDS = 3.0, 1.5
PEAK_BYTES = 270 * MIB
FRAME_RATE = 5.0


@pytest.mark.parametrize("photos", COUNTS)
async def test_photos_of_six_tasks_in_turn_are_answered(stand: Stand, photos: int) -> None:
    answers, peak_bytes = await run(stand, lambda target: send_photos(target, pictures(), photos))

    assert answers.share_answered >= ANSWERED, answers.sentence()
    if photos == FULL:
        assert_prompt_and_small(answers, peak_bytes)


@pytest.mark.parametrize("photos", COUNTS)
async def test_photos_of_six_tasks_are_answered_beside_a_stream_that_goes_on(stand: Stand, photos: int) -> None:
    frames = await asyncio.to_thread(extract_frames, "hand_202_frames.mp4", 640, 360)

    answers, peak_bytes = await run(
        stand, lambda target: send_photos_beside_a_stream(target, pictures(), photos, frames)
    )

    assert answers.share_answered >= ANSWERED, answers.sentence()
    assert answers.frames.lags, answers.sentence()
    assert set(answers.frames.faults) <= {"skipped"}, answers.sentence()  # at HIGH each second frame is
    if photos == FULL:
        assert_prompt_and_small(answers, peak_bytes)
        assert answers.frame_rate >= FRAME_RATE


async def run(stand: Stand, load: Callable[[Target], Awaitable[MixedAnswers]]) -> tuple[MixedAnswers, int]:
    """Load a fresh service that nothing may be killed in, and that is never to be CRITICAL; return the peak, too."""
    with GroupWatch(stand.group) as watch:
        async with stand.serve() as subject:
            port = subject.service.port
            async with watched_levels(port) as levels:
                answers = await load(Target(port))
            killed = {name: await count(port, name) for name in (KILLED, DIED)}
    print(f"{answers.sentence()}, peak {watch.peak_bytes / MIB:.0f} MiB, levels {sorted(levels)}")

    assert killed == {KILLED: 0, DIED: 0}
    assert stand.group.oom_kills() == 0
    assert levels <= {"LOW", "MODERATE", "HIGH"}
    assert levels
    return answers, watch.peak_bytes


def assert_prompt_and_small(answers: MixedAnswers, peak_bytes: int) -> None:
    """Of the full form only: for the short one a busy machine decides."""
    assert answers.longest_seconds <= LONGEST_SECONDS, answers.sentence()
    assert percentile(answers.later_seconds, 99) <= P99_SECONDS, answers.sentence()
    assert peak_bytes <= PEAK_BYTES


def pictures() -> tuple[Picture, ...]:
    return read_pictures(media_folder(), 5 * MIB).photos
