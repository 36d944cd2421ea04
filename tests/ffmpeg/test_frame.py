"""One frame of a video: the right one, upright, in square pixels, within what was reserved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from PIL import Image

from app.domain.priority import Priority
from app.domain.units import MIB
from app.errors import BallastError, InvalidMedia, MemoryExceedsLimit, UnsupportedMedia
from app.ffmpeg.frame import FrameGrabber, frame_bytes
from app.ffmpeg.runner import FFmpegRunner
from app.memory.budget import MemoryBudget
from app.memory.governor import EnrolledProcess
from app.memory.reservation import Reservation
from tests.ffmpeg.clips import clip, make, tool, turned

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


async def grab(grabber: FrameGrabber, video: Path, at_seconds: float, content_type: str = "video/mp4") -> Image.Image:
    target = video.parent / "frame.jpg"
    target.write_bytes(b"")
    async with reserved(frame_bytes(640, 360)) as holder:
        await grabber.grab(video, content_type, at_seconds, target, holder)
    with Image.open(target) as image:
        image.load()
        return image


@pytest.mark.parametrize(("at_seconds", "number"), [(0, 0), (0.4, 10), (0.41, 11), (0.96, 24)])
async def test_it_is_the_frame_that_is_shown_then(
    grabber: FrameGrabber, tmp_path: Path, at_seconds: float, number: int
) -> None:
    options = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "2", "-g", "12")
    video = make(tmp_path / "v.mp4", "-f", "lavfi", "-i", f"color=s=64x64:r=25:d=1,{_COUNTING}", *options)

    image = await grab(grabber, video, at_seconds)

    shown = image.convert("L").getpixel((32, 32))
    assert isinstance(shown, int)
    assert shown == pytest.approx(max(0, (min(number * 8, 255) - 16) * 255 / 219), abs=6)


async def test_it_is_upright(grabber: FrameGrabber, tmp_path: Path) -> None:
    video = tmp_path / "v.mp4"
    video.write_bytes(turned(clip("mp4"), clockwise=90))

    assert (await grab(grabber, video, 0.2)).size == (180, 320)


async def test_its_pixels_are_square(grabber: FrameGrabber, tmp_path: Path) -> None:
    options = ("-vf", "setsar=2/1", "-c:v", "libx264", "-pix_fmt", "yuv420p")
    video = make(tmp_path / "v.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x180:r=25:d=0.2", *options)

    assert (await grab(grabber, video, 0)).size == (320, 180)


async def test_after_the_end_there_is_none(grabber: FrameGrabber, tmp_path: Path) -> None:
    video, target = tmp_path / "v.mp4", tmp_path / "frame.jpg"
    video.write_bytes(clip("mp4"))
    target.write_bytes(b"")

    async with reserved(frame_bytes(320, 180)) as holder:
        await grabber.grab(video, "video/mp4", 5.0, target, holder)

    assert target.stat().st_size == 0


@pytest.mark.parametrize(
    ("data", "content_type", "error"),
    [
        (b"no video at all" * 100, "video/mp4", InvalidMedia),
        (b"\x89PNG\r\n\x1a\n", "image/png", UnsupportedMedia),
    ],
)
async def test_what_has_no_frames_is_refused(
    grabber: FrameGrabber, tmp_path: Path, data: bytes, content_type: str, error: type[BallastError]
) -> None:
    video = tmp_path / "v.mp4"
    video.write_bytes(data)

    with pytest.raises(error):
        await grab(grabber, video, 0, content_type)


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
        await grabber.grab(video, "video/mp4", 0.3, target, holder)

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
            await grabber.grab(video, "video/mp4", 0, target, holder)
