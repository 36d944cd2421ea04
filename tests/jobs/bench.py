"""A workshop for tests of kinds: real runs of ffmpeg over a real budget, files in a folder, and nothing durable."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from app.domain.analysis_size import AnalysisSize
from app.domain.media import MediaItem, MediaKind
from app.domain.units import MIB
from app.ffmpeg.abilities import Abilities, AbilityReader
from app.ffmpeg.runner import FFmpegRunner
from app.ffmpeg.works import FFmpegWorks
from app.images.masks import Masks
from app.images.presets import Presets
from app.jobs.files import JobFiles
from app.jobs.frames.pictures import PictureWorks
from app.jobs.kind import JobKind
from app.jobs.params import JobParams
from app.jobs.plan import Json, Plan
from app.jobs.source import Source
from app.jobs.workshop import Means
from app.storage.threads import DiskThreads
from app.vision.frame_looks import FrameLooks
from tests.ffmpeg.clips import tool
from tests.ffmpeg.rooms import Governor, workroom

P = TypeVar("P", bound=JobParams)

_NO_ROOM: Any = None
"""What only the kinds need that look at pictures: `tests.jobs.looks.looking_bench` has it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A result of a job."""

    step: str
    path: Path
    name: str
    content_type: str


@dataclass
class Bench:
    """The whole of a job on one machine. `folder` is the job's own; results are copied to `folder/results`."""

    folder: Path
    sources: Sequence[Source]
    ffmpeg: FFmpegWorks
    abilities: Abilities
    governor: Governor
    job_id: str = "job"
    client: str = "client"
    results: Mapping[str, Json] = field(default_factory=dict)
    kept: list[Kept] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    step: str = ""
    plan: Plan | None = None
    frames: FrameLooks = _NO_ROOM
    pictures: PictureWorks = _NO_ROOM
    masks: Masks = _NO_ROOM
    files: JobFiles = _NO_ROOM
    box: AnalysisSize = field(default_factory=lambda: AnalysisSize(640, 480))
    presets: Presets = field(default_factory=lambda: Presets({}))

    @property
    def means(self) -> Means:
        return Means(self.abilities, self.governor.budget.limit_bytes, self.box, self.presets)

    @asynccontextmanager
    async def local(self, source: Source) -> AsyncIterator[Path]:
        yield self.folder.parent / source.item.id

    def file(self, name: str) -> Path:
        return self.folder / name

    async def progress(self, share: float, words: str | None = None) -> None:
        assert 0 <= share <= 1, words
        self.shares.append(share)

    async def keep(self, path: Path, name: str, content_type: str) -> str:
        target = self.folder / "results" / name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
        self.kept = [one for one in self.kept if (one.step, one.name) != (self.step, name)]
        self.kept.append(Kept(self.step, target, name, content_type))
        return f"result-{len(self.kept)}"

    async def do_all(self, kind: JobKind[P], **params: Any) -> Mapping[str, Any]:
        """Plan a job as clients ask for it (names in camelCase), do its steps in order, and return its summary."""
        asked = kind.params.model_validate(params)
        self.plan = kind.plan(self.sources, asked, self.means)
        for step in self.plan.steps:
            self.step = step.name
            self.results = {**self.results, step.name: await kind.do(step, asked, self)}
        return kind.summary_of(asked, [self.results[step.name] for step in self.plan.steps])


async def bench(folder: Path, *paths: Path, total_bytes: int = 4096 * MIB) -> Bench:
    """Return a bench in `folder/job` whose inputs are these files of `folder`, probed."""
    governor = Governor(total_bytes)
    abilities = await AbilityReader(tool().resolve(), FFmpegRunner(governor, "required")).read()
    ffmpeg = workroom(governor, abilities)
    (folder / "job").mkdir(exist_ok=True)
    sources = [await source_of(ffmpeg, path) for path in paths]
    return Bench(folder / "job", sources, ffmpeg, abilities, governor, files=JobFiles(DiskThreads()))


async def source_of(ffmpeg: FFmpegWorks, path: Path) -> Source:
    """Return a file as an input: its suffix says its type."""
    content_type = CONTENT_TYPES[path.suffix]
    kind = MediaKind(content_type.partition("/")[0])
    item = MediaItem(
        id=path.name,
        timestamp_key=path.name,
        name=path.name,
        content_type=content_type,
        kind=kind,
        size_bytes=(await asyncio.to_thread(path.stat)).st_size,
        sha256=None,
        path=path.name,
        created_at=datetime.now(UTC),
    )
    return Source(item, None if kind is MediaKind.IMAGE else await ffmpeg.probe(path, content_type))


CONTENT_TYPES = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".avi": "video/x-msvideo",
    ".flv": "video/x-flv",
    ".ts": "video/mp2t",
    ".mpg": "video/mpeg",
    ".wmv": "video/x-ms-asf",
    ".ogv": "video/ogg",
    ".m4a": "audio/mp4",
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".jpg": "image/jpeg",
    ".png": "image/png",
}
