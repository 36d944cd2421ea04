"""Looks on while a step has ffmpeg run, or pictures worked on: what that took is the job's `memory`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

from app.domain.receipt import Receipt
from app.ffmpeg.packet_times import PacketTimes
from app.ffmpeg.probe import Probe
from app.ffmpeg.profiles import Profile, Rung
from app.ffmpeg.works import FFmpegWorks, OnProgress, Report, Sampled, Work
from app.jobs.job import JobMemory


class Witness:
    """An `FFmpegWorks` that passes everything on, and sums up the reports in `memory`."""

    def __init__(self, works: FFmpegWorks, memory: JobMemory) -> None:
        self.abilities = works.abilities
        self.memory = memory
        self._works = works
        self._runs = 0

    @property
    def is_at_work(self) -> bool:
        """Whether there is a run just now, or one waits for its memory."""
        return self._runs > 0

    async def run(self, work: Work, on_progress: OnProgress | None = None) -> Report:
        with self._counted():
            return self._note(await self._works.run(work, on_progress))

    async def encode(
        self,
        make: Callable[[Rung], Work],
        highest: Profile,
        on_progress: OnProgress | None = None,
        least: Profile = Profile.LOW,
    ) -> Report:
        with self._counted():
            return self._note(await self._works.encode(make, highest, on_progress, least))

    @asynccontextmanager
    async def sample(self, work: Work, width: int, height: int) -> AsyncIterator[Sampled]:
        with self._counted():
            async with self._works.sample(work, width, height) as sampled:
                try:
                    yield sampled
                finally:
                    self._note(Report(work.cost_bytes, sampled.peak_bytes(), 0, None, None, None))

    async def probe(self, path: Path, content_type: str) -> Probe:
        return await self._works.probe(path, content_type)

    async def frames(self, path: Path, content_type: str) -> PacketTimes:
        return await self._works.frames(path, content_type)

    async def timestamps(self, path: Path, content_type: str) -> Sequence[float]:
        return await self._works.timestamps(path, content_type)

    def note_picture(self, receipt: Receipt) -> None:
        """Take down what a child took for one picture."""
        self._note(Report(receipt.predicted_bytes, receipt.peak_bytes or 0, 0, None, None, None))

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._runs += 1
        try:
            yield
        finally:
            self._runs -= 1

    def _note(self, report: Report) -> Report:
        known = self.memory
        self.memory = replace(
            known,
            predicted_bytes=max(known.predicted_bytes, report.predicted_bytes),
            peak_bytes=max(known.peak_bytes, report.peak_bytes),
            profile=known.profile if report.rung is None else report.rung.profile.name,
            retries=known.retries + report.retries,
        )
        return report
