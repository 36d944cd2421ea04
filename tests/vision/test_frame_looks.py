"""Frames of videos through real vision children, out of a pipe that this process only passes on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.bootstrap import House, open_house
from app.errors import InvalidMedia, WorkerFailed
from app.settings import Settings
from app.vision.analysis import AnalysisRequest
from app.vision.frame_looks import milliseconds
from app.vision.frame_request import FrameRequest
from tests.conftest import MODELS_FOLDER
from tests.media_files import photo

pytestmark = pytest.mark.model

SIZE = 64, 48
FRAME_BYTES = SIZE[0] * SIZE[1] * 3


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    settings = Settings.model_validate(
        {
            "storage": {"root": tmp_path / "store"},
            "models": {"dir": MODELS_FOLDER},
            "memory": {"limit": "2G"},
            "vision": {"workers": 1},
        }
    )
    async with open_house(settings) as opened:
        yield opened


def request(house: House, task: str = "face-detection", size: tuple[int, int] = SIZE, **more: Any) -> FrameRequest:
    kind = house.vision.vision.task(task)
    return FrameRequest(kind, kind.Params(), *size, client="me", subject="a video", **more)


@contextmanager
def black(nbytes: int) -> Iterator[int]:
    """Give the reading end of a pipe with so many zeros."""
    with subprocess.Popen(["head", "-c", str(nbytes), "/dev/zero"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout.fileno()
        process.stdout.close()


def times(count: int, rate: float = 25.0) -> list[float]:
    return [number / rate for number in range(count)]


async def test_there_is_a_line_for_each_frame_and_no_call_has_more_than_a_second_of_them(house: House) -> None:
    calls = []
    with black(60 * FRAME_BYTES) as pipe:
        async with house.vision.frames.open(request(house)) as look:
            async for one in look.over(pipe, times(60)):
                calls.append(list(one.lines))

    assert [line for lines in calls for line in lines] == [b"[]"] * 60
    assert max(map(len, calls)) <= 25


@pytest.mark.parametrize("nbytes", [3 * FRAME_BYTES, 3 * FRAME_BYTES + 100, 0])
async def test_a_pipe_that_ends_early_is_no_shorter_video(house: House, nbytes: int) -> None:
    with black(nbytes) as pipe:
        async with house.vision.frames.open(request(house)) as look:
            with pytest.raises(InvalidMedia):
                _ = [one async for one in look.over(pipe, times(5))]


async def test_as_many_frames_may_be_missing_as_the_caller_says(house: House) -> None:
    with black(3 * FRAME_BYTES) as pipe:
        async with house.vision.frames.open(request(house)) as look:
            found = [line async for one in look.over(pipe, times(5), most_missing=2) for line in one.lines]

    assert len(found) == 3


async def test_a_tracker_is_a_child_of_its_own_and_gone_with_its_stretch(house: House) -> None:
    vision = house.vision.vision
    with black(5 * FRAME_BYTES) as pipe:
        async with house.vision.frames.open(request(house, "hands", tracked=True)) as look:
            assert [model.key.owner for model in vision.models if model.pool.size] == ["tracker:hands"]
            lines = [line async for one in look.over(pipe, times(5)) for line in one.lines]

    assert lines == [b"[]"] * 5
    assert list(vision.models) == []
    assert not [one for one in house.core.governor.budget.statistics().holders if one.owner.startswith("tracker")]


async def test_a_child_that_dies_has_lost_frames_and_that_is_said(house: House) -> None:
    with black(10**9) as pipe:
        async with house.vision.frames.open(request(house)) as look:
            found = look.over(pipe, times(1000))
            await anext(found)
            (child,) = [one for model in house.vision.vision.models for one in model.pool.children]
            os.kill(child.pid, signal.SIGKILL)
            with pytest.raises(WorkerFailed):
                _ = [one async for one in found]


@pytest.mark.photo
async def test_a_picture_of_somebody_who_waits_has_its_turn_between_two_calls(house: House) -> None:
    """Told by order: the picture is answered while most of the video is still to come."""
    events: list[str] = []
    begun = asyncio.Event()

    async def watch(pipe: int) -> None:
        async with house.vision.frames.open(request(house)) as look:
            async for _ in look.over(pipe, times(2000)):
                events.append("call")
                begun.set()

    with black(2000 * FRAME_BYTES) as pipe:
        watching = asyncio.create_task(watch(pipe))
        await begun.wait()
        for _ in range(3):
            before = events.count("call")
            await look_at_a_photo(house)
            events.append(f"picture after {events.count('call') - before}")
        pictures = [event for event in events if event.startswith("picture")]
        assert not watching.done()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    assert len(pictures) == 3
    assert all(int(event.rpartition(" ")[2]) <= 3 for event in pictures), events


async def look_at_a_photo(house: House) -> None:
    task = house.vision.vision.task("face-detection")
    data = photo("business_person.png").read()

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    async with house.vision.pictures.receive(chunks(), len(data), "somebody") as picture:
        await house.vision.analysis.analyze(AnalysisRequest(task, task.Params(), "somebody"), picture)


async def test_hundreds_of_megabytes_of_frames_leave_nothing_in_this_process(house: House) -> None:
    size = 640, 480
    nbytes = size[0] * size[1] * 3

    async with watched(house, size, nbytes, 25):
        pass
    before = resident_bytes()
    async with watched(house, size, nbytes, 300):
        pass

    assert resident_bytes() - before < 4 * 2**20


@asynccontextmanager
async def watched(house: House, size: tuple[int, int], nbytes: int, count: int) -> AsyncIterator[None]:
    """Have so many frames looked at before the block."""
    with black(count * nbytes) as pipe:
        async with house.vision.frames.open(request(house, size=size)) as look:
            async for _ in look.over(pipe, times(count)):
                pass
    yield


def resident_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


def test_timestamps_for_a_tracker_always_rise() -> None:
    assert milliseconds([0.0, 0.0001, 0.0002, 0.04, 0.0404]) == [0, 1, 2, 40, 41]
