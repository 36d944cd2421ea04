"""One run of ffmpeg: started, followed, and judged by what it made; its output is gone where it failed."""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import struct
import termios
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from app.domain.pressure import PressureLevel
from app.domain.units import KIB, MIB
from app.errors import InvalidMedia
from app.ffmpeg.complaints import Complaints
from app.ffmpeg.progress import OPTIONS, Progress, ProgressReader
from app.ffmpeg.runner import FFmpegRunner, Outputs, RunLimits
from app.ffmpeg.watch import Patience, Watch
from app.ffmpeg.works import OnProgress, Report, Work
from app.memory.reservation import Reservation

MARGIN = 1.2
"""What is reserved, over what is predicted: the formulas are right within 15 % (`predictor`)."""

_THREAD_BYTES = 8 * MIB
_LIBRARY_BYTES = 40 * MIB
"""Data that is never touched, but counted by RLIMIT_DATA: the stack of each thread, and tables of libraries."""

_BASE_SECONDS, _SECONDS_A_SECOND = 120.0, 120.0
"""The deadline is a last resort, and only of time in which it worked: AV1 of a 4K film on one slow core takes a minute
for a second of it. What stands still is found by `Patience.stall_seconds`."""

_TELL_SECONDS = 0.25
_READ_BYTES = 64 * KIB

_GENERAL = ("-hide_banner", "-nostdin", "-v", "error", "-y")


class Pipe:
    """Both ends of one, closed at the end of the block; each may be closed before."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self._open = {self.reader, self.writer}

    def __enter__(self) -> Pipe:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close(self.reader)
        self.close(self.writer)

    def close(self, descriptor: int) -> None:
        if descriptor in self._open:
            self._open.remove(descriptor)
            os.close(descriptor)

    def waiting_bytes(self) -> int:
        """Return what was written and not read yet."""
        return struct.unpack("i", fcntl.ioctl(self.reader, termios.FIONREAD, bytes(4)))[0]  # type: ignore[no-any-return]

    def is_left(self) -> bool:
        """Return whether nobody holds the writing end any more."""
        poll = select.poll()
        poll.register(self.reader, 0)
        return bool(poll.poll(0))

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[asyncio.StreamReader]:
        """Give what comes as a stream, for the block; the reading end is closed with it."""
        stream = asyncio.StreamReader()
        self._open.remove(self.reader)
        file = os.fdopen(self.reader, "rb", 0)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), file)
        try:
            yield stream
        finally:
            transport.close()


@dataclass(frozen=True, slots=True)
class Running:
    """A run that goes on: what it told so far, and what it holds."""

    process: asyncio.subprocess.Process
    watch: Watch
    complaints: Complaints
    progress: Progress

    def report(self, work: Work) -> Report:
        """Return what it made; it has ended.

        Raises:
            Starved: it lacked memory, whatever its exit code.
            StorageFull, TooManyPixels, WorkerFailed: see `Complaints.error`.
            InvalidMedia: the input is broken, or what was made is not what was expected.
        """
        exit_code = self.process.returncode
        assert exit_code is not None
        error = self.complaints.error(exit_code)
        if error is not None:
            raise error
        self._check(work)
        return Report(
            predicted_bytes=work.cost_bytes,
            peak_bytes=self.watch.peak_bytes,
            retries=0,
            rung=None,
            frames=self.progress.frames,
            seconds=self.progress.seconds,
        )

    def _check(self, work: Work) -> None:
        expect, frames, seconds = work.expect, self.progress.frames or 0, self.progress.seconds or 0.0
        if expect.frames is not None and abs(frames - expect.frames) > expect.frames_slack:
            raise InvalidMedia(f"The media is damaged: {frames} frames came out of it, of {expect.frames}.")
        if expect.seconds is not None and abs(seconds - expect.seconds) > expect.seconds_slack:
            raise InvalidMedia(f"The media is damaged: {seconds:.3f} s came out of it, of {expect.seconds:.3f}.")


class FFmpegStarter:
    """Starts runs with one ffmpeg; `level` returns the present pressure."""

    def __init__(self, ffmpeg: Path, runner: FFmpegRunner, level: Callable[[], PressureLevel]) -> None:
        self._ffmpeg = ffmpeg
        self._runner = runner
        self._level = level

    @asynccontextmanager
    async def started(
        self, work: Work, holder: Reservation, on_progress: OnProgress | None, stdout: Pipe | None = None
    ) -> AsyncIterator[Running]:
        """Run a work beside the block, and to its end after it. `stdout` takes its output.

        Raises:
            Starved, Overloaded, ProcessingTimeout: see `Watch.run`; what is in the block is cancelled by it.
        """
        try:
            with Pipe() as news:
                outputs = Outputs(asyncio.subprocess.DEVNULL if stdout is None else stdout.writer, (news.writer,))
                arguments = [*_GENERAL, *OPTIONS, "-progress", f"pipe:{news.writer}", *work.arguments]
                async with (
                    self._runner.started(self._ffmpeg, arguments, _limits(work), holder, outputs) as process,
                    news.stream() as told,
                    asyncio.TaskGroup() as tasks,
                ):
                    for pipe in (news, stdout):
                        if pipe is not None:
                            pipe.close(pipe.writer)
                    reader, complaints = ProgressReader(), Complaints()
                    watch = Watch(process, holder, reader.progress, self._level, _waits(stdout))
                    running = Running(process, watch, complaints, reader.progress)
                    tasks.create_task(_follow(told, reader.feed))
                    tasks.create_task(_follow(process.stderr, complaints.feed))
                    tasks.create_task(watch.run(Patience(_deadline_seconds(work), data_bytes=_limits(work).data_bytes)))
                    teller = tasks.create_task(_tell(reader.progress, work.seconds, on_progress))
                    yield running
                    await process.wait()
                    teller.cancel()
        except BaseExceptionGroup as group:
            raise _first(group) from None


def _waits(stdout: Pipe | None) -> Callable[[], bool]:
    return lambda: stdout is not None and stdout.waiting_bytes() > 0


def _limits(work: Work) -> RunLimits:
    return RunLimits(
        data_bytes=int(work.cost_bytes * MARGIN) + work.threads * _THREAD_BYTES + _LIBRARY_BYTES,
        deadline_seconds=_deadline_seconds(work),
        file_bytes=work.file_bytes,
        reads=work.reads,
        writes=work.writes,
    )


def _deadline_seconds(work: Work) -> float:
    return _BASE_SECONDS + _SECONDS_A_SECOND * work.seconds


async def _follow(stream: asyncio.StreamReader | None, feed: Callable[[bytes], None]) -> None:
    while stream is not None and (data := await stream.read(_READ_BYTES)):
        feed(data)


async def _tell(progress: Progress, seconds: float, on_progress: OnProgress | None) -> None:
    """Tell the share that is done, each time that it has grown."""
    told = 0.0
    while on_progress is not None:
        await asyncio.sleep(_TELL_SECONDS)
        share = min(1.0, (progress.seconds or 0.0) / max(seconds, 1e-3))
        if share > told:
            told = share
            await on_progress(share)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
