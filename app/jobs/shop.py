"""The tools of one step, as its kind is given them (`workshop.Workshop`)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from app.ffmpeg.works import FFmpegWorks
from app.images.masks import Masks
from app.jobs.files import JobFiles
from app.jobs.frames.pictures import PictureWorks
from app.jobs.keeping import Keeper
from app.jobs.plan import Json
from app.jobs.source import Source
from app.storage.store import MediaStore
from app.vision.frame_looks import FrameLooks

_NOTE_SECONDS = 0.25
"""How often clients are told of progress at most."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What is the same for all steps."""

    store: MediaStore
    keeper: Keeper
    frames: FrameLooks
    pictures: PictureWorks
    masks: Masks
    files: JobFiles


class StepShop:
    """Lives as long as one step is at work."""

    def __init__(
        self,
        identity: tuple[str, str, str],
        sources: Sequence[Source],
        results: Mapping[str, Json],
        works: tuple[FFmpegWorks, Tools],
        folder: Path,
        note: Callable[[float, str | None], Awaitable[None]],
    ) -> None:
        """`identity`: job id, client and the step's name; `note` is told the share that is done, and words for it."""
        self.job_id, self.client, self._step = identity
        self.sources = sources
        self.results = results
        self.ffmpeg, tools = works
        self.frames, self.pictures, self.files = tools.frames, tools.pictures, tools.files
        self.masks = tools.masks
        self._store, self._keeper = tools.store, tools.keeper
        self._folder = folder
        self._note = note
        self._noted_at = 0.0

    def local(self, source: Source) -> AbstractAsyncContextManager[Path]:
        """See `Workshop.local`."""
        return self._store.local_file(source.item.id)

    def file(self, name: str) -> Path:
        """See `Workshop.file`."""
        path = self._folder / name
        if path.parent != self._folder and self._folder not in path.parents:
            raise ValueError(f"{name} is not in the job's folder")
        return path

    async def progress(self, share: float, words: str | None = None) -> None:
        """See `Workshop.progress`."""
        now = time.monotonic()
        if now - self._noted_at >= _NOTE_SECONDS:
            self._noted_at = now
            await self._note(min(1.0, max(0.0, share)), words)

    async def keep(self, path: Path, name: str, content_type: str) -> str:
        """See `Workshop.keep`."""
        return await self._keeper.keep(self.job_id, self._step, path, (name, content_type))
