"""Looks on while a step has ffmpeg run: what the runs took is the job's `memory`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

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

    async def run(self, work: Work, on_progress: OnProgress | None = None) -> Report:
        return self._note(await self._works.run(work, on_progress))

    async def encode(
        self, make: Callable[[Rung], Work], highest: Profile, on_progress: OnProgress | None = None
    ) -> Report:
        return self._note(await self._works.encode(make, highest, on_progress))

    def sample(self, work: Work, width: int, height: int) -> AbstractAsyncContextManager[Sampled]:
        return self._works.sample(work, width, height)

    async def probe(self, path: Path, content_type: str) -> Probe:
        return await self._works.probe(path, content_type)

    async def frames(self, path: Path, content_type: str) -> PacketTimes:
        return await self._works.frames(path, content_type)

    async def keyframes(self, path: Path, content_type: str) -> Sequence[float]:
        return await self._works.keyframes(path, content_type)

    async def timestamps(self, path: Path, content_type: str) -> Sequence[float]:
        return await self._works.timestamps(path, content_type)

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
