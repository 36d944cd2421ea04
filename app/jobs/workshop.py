"""What a step of a job may use: the service does the work, under its ledger; a kind only says what is to be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from app.domain.analysis_size import AnalysisSize
from app.ffmpeg.abilities import Abilities
from app.ffmpeg.works import FFmpegWorks
from app.images.masks import Masks
from app.images.presets import Presets
from app.jobs.files import JobFiles
from app.jobs.frames.pictures import PictureWorks
from app.jobs.plan import Json
from app.jobs.source import Source
from app.vision.frame_looks import FrameLooks


@dataclass(frozen=True, slots=True)
class Means:
    """What a plan can count on: `limit_bytes` is the largest grant that the ledger can ever make; frames are looked at
    in the size of `box`. What the plan makes of `presets` stands in its steps: another machine, or the next start, may
    have others."""

    abilities: Abilities
    limit_bytes: int
    box: AnalysisSize
    presets: Presets = field(default_factory=lambda: Presets({}))


class Workshop(Protocol):
    """One step's tools.

    `sources` are the job's inputs in order, `results` what its finished steps returned, by name. `frames` has the
    vision children look at frames that `ffmpeg.sample` gives, `masks` draws where something is covered; `files` are
    the small ones in the job's folder.
    """

    job_id: str
    client: str
    sources: Sequence[Source]
    results: Mapping[str, Json]
    ffmpeg: FFmpegWorks
    frames: FrameLooks
    pictures: PictureWorks
    masks: Masks
    files: JobFiles

    def local(self, source: Source) -> AbstractAsyncContextManager[Path]:
        """Give the file of a source on the local disk for the block (fetched, where the store is elsewhere)."""
        ...

    def file(self, name: str) -> Path:
        """Return the path of a file in the job's own folder, which lasts until the job ends and is counted in the
        quota. A step's file is written under a temporary name, and renamed when it is whole (`JobFiles.part`)."""
        ...

    async def progress(self, share: float, words: str | None = None) -> None:
        """Tell how much of the step is done, 0 to 1; as often as one likes."""
        ...

    async def keep(self, path: Path, name: str, content_type: str) -> str:
        """Make a file of the job's folder a media item, and a result of the job; return its id.

        The same step keeping the same `name` again (after a crash) does not make a second item.

        Raises:
            StorageFull: there is no room for it.
        """
        ...
