"""One frame of a video: the right one, upright, in square pixels, within what was reserved."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from PIL import Image

from app.domain.priority import Priority
from app.domain.units import MIB
from app.errors import InvalidMedia, MemoryExceedsLimit, TooManyPixels, UnsupportedMedia
from app.ffmpeg.frame import FrameGrabber, frame_bytes
from app.ffmpeg.runner import FFmpegRunner
from app.ffmpeg.shown import Search, searches
from app.memory.budget import MemoryBudget
from app.memory.governor import EnrolledProcess
from app.memory.reservation import Reservation
from tests.ffmpeg.clips import clip, make, tool, turned
from tests.jobs.bench import CONTENT_TYPES

_COUNTING = "geq=lum='clip(floor(N)*8,0,255)':cb=128:cr=128"
"""Each frame is 8 brighter than the one before."""


class PeakLedger:
    """Watches the peak resident memory of the process that is enrolled."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._watch: asyncio.Task[None] | None = None

    def enroll(self, process: EnrolledProcess) -> None:
        self._watch = asyncio.create_task(self._look(process.pid))

    def dismiss(self, _pid: int) -> None:
        assert self._watch is not None
        self._watch.cancel()

    async def _look(self, pid: int) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, _peak_of(pid))
            await asyncio.sleep(0.001)


def _peak_of(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return max((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), default=0)


@pytest.fixture
def ledger() -> PeakLedger:
    return PeakLedger()


@pytest.fixture
def grabber(ledger: PeakLedger) -> FrameGrabber:
    return FrameGrabber(tool(), FFmpegRunner(ledger, "required"))


@asynccontextmanager
async def reserved(nbytes: int) -> AsyncIterator[Reservation]:
    budget = MemoryBudget(1024 * MIB, working_set=lambda: 0)
    async with budget.reserve({"decode": nbytes}, owner="frame", priority=Priority.REQUEST) as holder:
        yield holder


def searched(at_seconds: float, duration: float | None = 3600.0) -> Search:
    (search,) = searches("video/mp4", at_seconds, duration)
    return search


async def grab(grabber: FrameGrabber, video: Path, at_seconds: float, content_type: str = "video/mp4") -> Image.Image:
    target = video.parent / "frame.jpg"
    target.write_bytes(b"")
    async with reserved(frame_bytes(640, 360)) as holder:
        for search in searches(content_type, at_seconds, duration=3600.0):
            await grabber.grab(video, content_type, search, target, holder)
            if target.stat().st_size:
                break
    with Image.open(target) as image:
        image.load()
        return image


@pytest.mark.parametrize(("at_seconds", "number"), [(0, 0), (0.39, 9), (0.4, 10), (0.41, 10), (0.96, 24), (2, 24)])
async def test_it_is_the_frame_that_is_shown_then(
    grabber: FrameGrabber, tmp_path: Path, at_seconds: float, number: int
) -> None:
    options = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "2", "-g", "12")
    video = make(tmp_path / "v.mp4", "-f", "lavfi", "-i", f"color=s=64x64:r=25:d=1,{_COUNTING}", *options)

    image = await grab(grabber, video, at_seconds)

    shown = image.convert("L").getpixel((32, 32))
    assert isinstance(shown, int)
    assert shown == pytest.approx(max(0, (min(number * 8, 255) - 16) * 255 / 219), abs=6)


@pytest.mark.parametrize("extension", ["mp4", "mkv", "webm", "avi", "ts", "mpg", "flv", "wmv", "ogv"])
async def test_it_is_so_in_every_container(grabber: FrameGrabber, tmp_path: Path, extension: str) -> None:
    """Frames of different brightness, a key frame each six seconds, at one a second: the nearest is a wrong one."""
    encoders = {
        "webm": ("libvpx", "-crf", "4", "-b:v", "2M"),
        "mpg": ("mpeg2video", "-q:v", "2"),
        "wmv": ("wmv2", "-q:v", "2"),
        "ogv": ("libtheora", "-q:v", "10"),
        "avi": ("mpeg4", "-q:v", "2"),
    }
    codec = encoders.get(extension, ("libx264", "-bf", "2"))
    rate = "25" if extension == "mpg" else "2"
    step = "floor(T*2)*8"
    source = f"color=s=64x64:r={rate}:d=14,geq=lum='20+{step}':cb=128:cr=128"
    video = make(
        tmp_path / f"v.{extension}", "-f", "lavfi", "-i", source, "-c:v", *codec, "-pix_fmt", "yuv420p", "-g", "12"
    )

    found: dict[float, int] = {}
    for at_seconds in (0.02, 0.45, 2.3, 4.95, 11.3, 13.4, 13.9):
        shown = (await grab(grabber, video, at_seconds, CONTENT_TYPES[f".{extension}"])).convert("L").getpixel((32, 32))
        assert isinstance(shown, int)
        found[at_seconds] = round((shown * 219 / 255 + 16 - 20) / 8)

    assert found == {at_seconds: int(at_seconds * 2) for at_seconds in found}


async def test_it_is_so_where_frames_are_shown_for_different_times_and_begin_late(
    grabber: FrameGrabber, tmp_path: Path
) -> None:
    """Frames at 0.0, 0.1, 0.3, 0.6, 1.0, 1.5 and 2.1 s of the picture, which begins half a second after the sound."""
    source = f"color=s=64x64:r=10:d=0.7,{_COUNTING},setpts='(N*(N+1)/2)/10/TB',settb=1/1000"
    video = make(
        tmp_path / "v.mkv",
        *("-f", "lavfi", "-i", "sine=d=4", "-itsoffset", "0.5", "-f", "lavfi", "-i", source, "-map", "0", "-map", "1"),
        *("-fps_mode", "passthrough", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "2", "-c:a", "flac"),
    )
    begins = [0.5 + number * (number + 1) / 20 for number in range(7)]
    moments = [0.0, 0.4, *(begin + part for begin in begins for part in (0.001, 0.05)), 3.9]

    found: list[int] = []
    for at_seconds in moments:
        shown = (await grab(grabber, video, at_seconds, "video/x-matroska")).convert("L").getpixel((32, 32))
        assert isinstance(shown, int)
        found.append(round((shown * 219 / 255 + 16) / 8))

    numbers = [max(0, bisect_right(begins, at_seconds) - 1) for at_seconds in moments]
    assert found == [max(2, number) for number in numbers]


async def test_it_is_upright(grabber: FrameGrabber, tmp_path: Path) -> None:
    video = tmp_path / "v.mp4"
    video.write_bytes(turned(clip("mp4"), clockwise=90))

    assert (await grab(grabber, video, 0.2)).size == (180, 320)


async def test_its_pixels_are_square(grabber: FrameGrabber, tmp_path: Path) -> None:
    options = ("-vf", "setsar=2/1", "-c:v", "libx264", "-pix_fmt", "yuv420p")
    video = make(tmp_path / "v.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x180:r=25:d=0.2", *options)

    assert (await grab(grabber, video, 0)).size == (320, 180)


async def test_after_the_end_of_a_video_whose_length_nobody_knows_there_is_none(
    grabber: FrameGrabber, tmp_path: Path
) -> None:
    video, target = tmp_path / "v.mp4", tmp_path / "frame.jpg"
    video.write_bytes(clip("mp4"))
    target.write_bytes(b"")

    async with reserved(frame_bytes(320, 180)) as holder:
        await grabber.grab(video, "video/mp4", searched(5.0, duration=None), target, holder)

    assert target.stat().st_size == 0


async def test_what_is_no_video_is_refused(grabber: FrameGrabber, tmp_path: Path) -> None:
    video = tmp_path / "v.mp4"
    video.write_bytes(b"no video at all" * 100)

    with pytest.raises(InvalidMedia):
        await grab(grabber, video, 0)


async def test_frames_of_too_many_pixels_are_refused_as_such(grabber: FrameGrabber, tmp_path: Path) -> None:
    bomb = make(tmp_path / "v.mp4", "-f", "lavfi", "-i", "color=s=16000x8000:r=1:d=1", "-c:v", "mjpeg")

    with pytest.raises(TooManyPixels):
        await grab(grabber, bomb, 0)


async def test_a_picture_has_no_frames(grabber: FrameGrabber, tmp_path: Path) -> None:
    async with reserved(frame_bytes(320, 180)) as holder:
        with pytest.raises(UnsupportedMedia):
            await grabber.grab(tmp_path / "v.png", "image/png", searched(0), tmp_path / "frame.jpg", holder)


async def test_a_sound_has_no_frame(grabber: FrameGrabber, tmp_path: Path) -> None:
    video = tmp_path / "v.m4a"
    video.write_bytes(clip("m4a"))

    with pytest.raises(InvalidMedia):
        await grab(grabber, video, 0, "audio/mp4")


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080)])
async def test_it_takes_no_more_than_is_reserved(
    grabber: FrameGrabber, ledger: PeakLedger, tmp_path: Path, size: tuple[int, int]
) -> None:
    source = f"testsrc2=s={size[0]}x{size[1]}:r=25:d=0.6,noise=alls=8:allf=t"
    options = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-threads", "1")
    video, target = make(tmp_path / "v.mp4", "-f", "lavfi", "-i", source, *options), tmp_path / "frame.jpg"
    target.write_bytes(b"")

    async with reserved(frame_bytes(*size)) as holder:
        await grabber.grab(video, "video/mp4", searched(0.3), target, holder)

    assert target.stat().st_size > 0
    assert 0 < ledger.peak_bytes <= frame_bytes(*size)


async def test_what_needs_more_than_was_reserved_is_refused_and_not_answered_by_half(
    grabber: FrameGrabber, tmp_path: Path
) -> None:
    video, target = tmp_path / "v.mp4", tmp_path / "frame.jpg"
    video.write_bytes(make(tmp_path / "w.mp4", "-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=25:d=0.2").read_bytes())
    target.write_bytes(b"")

    async with reserved(60 * MIB) as holder:
        with pytest.raises(MemoryExceedsLimit):
            await grabber.grab(video, "video/mp4", searched(0), target, holder)
