"""One stored picture of a job: looked at by a vision task, or made into another one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.domain.receipt import Receipt
from app.errors import PayloadTooLarge
from app.images.images import Images
from app.images.rendered import ImageFacts
from app.images.transform import Transform
from app.jobs.files import JobFiles
from app.jobs.source import Source
from app.media.pictures import Picture, Pictures
from app.storage.store import MediaStore
from app.vision.analysis import Analysis, AnalysisRequest
from app.vision.result import AnalysisResult
from app.vision.task import VisionTask


def _forget(_: Receipt) -> None:
    """Where nobody asks."""


@dataclass(frozen=True, slots=True)
class PictureWorks:
    """`pictures` takes them in under BATCH priority: as long as there is no memory for one it waits, on the disk.
    `note` is told what each took."""

    analysis: Analysis
    images: Images
    pictures: Pictures
    store: MediaStore
    files: JobFiles
    note: Callable[[Receipt], None] = _forget

    async def look(self, source: Source, task: type[VisionTask], params: Any, client: str) -> AnalysisResult:
        """Have a vision task look at a picture.

        Raises:
            PayloadTooLarge: it has more bytes than a picture may have.
            BallastError: see `Analysis.analyze`.
        """
        request = AnalysisRequest(task, params, client, may_reuse=True, media_id=source.item.id)
        async with self._picture(source, self.analysis.max_bytes, client) as picture:
            result = await self.analysis.analyze(request, picture)
        self.note(result.receipt)
        return result

    async def render(self, source: Source, transform: Transform, path: Path, client: str) -> ImageFacts:
        """Write what a transform makes of a picture to `path`.

        Raises:
            PayloadTooLarge: it has more bytes than a picture may have.
            StorageFull: the disk has no room for the result.
            BallastError: see `Images.render`.
        """
        async with AsyncExitStack() as until:
            async with self._picture(source, self.images.max_bytes, client) as picture:
                rendered = await self.images.render(picture, transform, until)
            async with self.files.part(path) as file:
                async for piece in rendered.chunks():
                    await file.write(piece)
        self.note(rendered.facts.receipt)
        return rendered.facts

    @asynccontextmanager
    async def _picture(self, source: Source, max_bytes: int, client: str) -> AsyncIterator[Picture]:
        size_bytes = source.item.size_bytes
        if size_bytes > max_bytes:
            raise PayloadTooLarge(f"A picture may have {max_bytes} bytes.", maxBytes=max_bytes, sizeBytes=size_bytes)
        async with (
            self.store.reader(source.item.id) as reader,
            self.pictures.receive(reader.chunks(0, size_bytes), max_bytes, client) as picture,
        ):
            yield picture
