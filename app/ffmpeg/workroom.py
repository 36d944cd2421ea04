"""The real `FFmpegWorks`: each run reserved in the ledger before it starts, and checked after it has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from app.domain.pressure import ModePolicy, PressureLevel
from app.domain.priority import Priority
from app.errors import MemoryExceedsLimit, Overloaded, WorkerFailed
from app.ffmpeg.abilities import Abilities
from app.ffmpeg.complaints import Starved
from app.ffmpeg.ladder import Choice, choices, pick
from app.ffmpeg.outputs import OutputFiles
from app.ffmpeg.packet_times import PacketTimes
from app.ffmpeg.packets import PacketLister
from app.ffmpeg.probe import PROBE_BYTES, Probe, Prober
from app.ffmpeg.profiles import Profile, Rung
from app.ffmpeg.runner import ROLE, FFmpegRunner
from app.ffmpeg.running import MARGIN, FFmpegStarter, Pipe
from app.ffmpeg.tools import Tools
from app.ffmpeg.works import OnProgress, Report, Sampled, Work
from app.memory.budget import MemoryBudget
from app.memory.reservation import PendingReservation

_SECOND_TRY = 1.5
"""Where the formula was wrong by more than the margin, a run is tried once more with so many times the memory."""

_MOST_WAITS = 2
"""How often a picture of the size that was asked for is waited for: some 40 s in all, beside those who are served."""


T = TypeVar("T")


class Pressure(Protocol):
    """What is known of memory now: the governor."""

    level: PressureLevel

    @property
    def budget(self) -> MemoryBudget: ...
    @property
    def policy(self) -> ModePolicy: ...


class Disk(Protocol):
    """Threads for what may block on a disk (`storage.threads.DiskThreads`)."""

    async def run(self, function: Callable[[], T], /) -> T: ...
    async def ensure(self, function: Callable[[], None], /) -> bool: ...


@dataclass(frozen=True, slots=True)
class WorkroomParts:
    """What a workroom is made of."""

    tools: Tools
    abilities: Abilities
    runner: FFmpegRunner
    governor: Pressure
    disk: Disk


class Workroom:
    """Runs works. There is one for the whole service, or one for each step: it keeps nothing between runs.

    `client` is whom runs wait in line for, `waited` how often what they are for was put off for lack of memory.
    """

    def __init__(self, parts: WorkroomParts, client: str = "", waited: int = 0) -> None:
        self.abilities = parts.abilities
        self._parts = parts
        self._budget = parts.governor.budget
        self._client = client
        self._is_patient = waited < _MOST_WAITS

    async def run(self, work: Work, on_progress: OnProgress | None = None) -> Report:
        """See `FFmpegWorks.run`."""
        try:
            return await self._once(work, on_progress)
        except Starved:
            more = replace(work, cost_bytes=int(work.cost_bytes * _SECOND_TRY))
        try:
            return replace(await self._once(more, on_progress), predicted_bytes=work.cost_bytes, retries=1)
        except Starved:
            raise self._too_large(more) from None

    async def encode(
        self,
        make: Callable[[Rung], Work],
        highest: Profile,
        on_progress: OnProgress | None = None,
        least: Profile = Profile.LOW,
    ) -> Report:
        """See `FFmpegWorks.encode`; which rung is tried: `ladder.pick`."""
        allowed = Profile[self._parts.governor.policy.ffmpeg_profile.name]
        every = choices(make, min(highest, allowed))
        left = [choice for choice in every if _need(choice.work) <= self._budget.limit_bytes]
        retries = 0
        while left:
            choice = pick(left, self._budget.free_bytes, _need, least)
            try:
                report = await self._once(choice.work, on_progress)
            except Starved:
                left = left[left.index(choice) + 1 :]
                retries += 1
                continue
            except Overloaded:
                # What is better did not come free in time.
                left = self._lower(left[left.index(choice) + 1 :])
                if not left:
                    raise
                continue
            return replace(report, rung=choice.rung, retries=retries)
        raise self._too_large(every[-1].work)

    @asynccontextmanager
    async def sample(self, work: Work, width: int, height: int) -> AsyncIterator[Sampled]:
        """See `FFmpegWorks.sample`.

        Its bytes are a lease of their own: who reads the frames reserves what they need of it while the run stands
        still, for a bounded time.
        """
        starter = self._starter()
        async with self._reserved(work, lease=object()) as holder:
            with Pipe() as frames:
                async with starter.started(work, holder, None, frames) as running:
                    yield Sampled(frames.reader, width, height, lambda: running.watch.peak_bytes)
                    was_read = frames.is_left()
                    if not was_read:
                        running.process.kill()
            if was_read:
                try:
                    running.report(work)
                except Starved:
                    raise self._too_large(work) from None

    async def probe(self, path: Path, content_type: str) -> Probe:
        """See `FFmpegWorks.probe`."""
        prober = Prober(self._parts.tools.need_ffprobe(), self._parts.runner)
        async with self._reserve(PROBE_BYTES) as holder:
            return await prober.probe(path, content_type, holder)

    async def frames(self, path: Path, content_type: str) -> PacketTimes:
        """See `FFmpegWorks.frames`."""
        size_bytes = await self._parts.disk.run(lambda: path.stat().st_size)
        lister = PacketLister(self._parts.tools.need_ffprobe(), self._parts.runner, self._reserve)
        return await lister.list(path, content_type, size_bytes)

    async def timestamps(self, path: Path, content_type: str) -> Sequence[float]:
        """See `FFmpegWorks.timestamps`."""
        return (await self.frames(path, content_type)).times

    def _lower(self, cheaper: list[Choice]) -> list[Choice]:
        """Return what is tried where better did not come free. A smaller picture is nothing that was asked for: it is
        for where all else was waited for in vain, again and again; then the largest that is free, or the least."""
        full = [choice for choice in cheaper if choice.rung.max_height is None]
        if self._is_patient:
            return full
        if full:
            return cheaper
        free = [choice for choice in cheaper if _need(choice.work) <= self._budget.free_bytes]
        return free or cheaper[-1:]

    def _starter(self) -> FFmpegStarter:
        governor = self._parts.governor
        return FFmpegStarter(self._parts.tools.need_ffmpeg(), self._parts.runner, lambda: governor.level)

    async def _once(self, work: Work, on_progress: OnProgress | None) -> Report:
        starter, files = self._starter(), OutputFiles(work.writes, work.texts)
        async with self._reserved(work) as holder:
            await self._parts.disk.run(files.prepare)
            try:
                async with starter.started(work, holder, on_progress) as running:
                    pass
                return running.report(work)
            except BaseException:
                await self._parts.disk.ensure(files.remove)
                raise
            finally:
                if work.texts:
                    await self._parts.disk.ensure(files.remove_texts)

    def _reserved(self, work: Work, lease: object | None = None) -> PendingReservation:
        return self._reserve(_need(work), lease)

    def _reserve(self, nbytes: int, lease: object | None = None) -> PendingReservation:
        return self._budget.reserve(
            {ROLE: nbytes}, owner=ROLE, priority=Priority.BATCH, client=self._client, lease=lease
        )

    def _too_large(self, work: Work) -> MemoryExceedsLimit | WorkerFailed:
        """Return what it is called that a work lacked memory to the last. Where there is more than it was given, that
        is no matter of the limit: the prediction is wrong, or it only looks like a lack (an encoder that did not open).
        """
        needed_bytes, limit_bytes = _need(work), self._budget.limit_bytes
        if needed_bytes <= limit_bytes:
            return WorkerFailed("ffmpeg could not do this with the memory that it should take, nor with some more.")
        return MemoryExceedsLimit(
            f"This takes more than {needed_bytes} bytes of memory, even the cheapest way; {limit_bytes} can be had.",
            neededBytes=needed_bytes,
            limitBytes=limit_bytes,
        )


def _need(work: Work) -> int:
    return int(work.cost_bytes * MARGIN)
