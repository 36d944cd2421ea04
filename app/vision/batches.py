"""Many pictures in one request: each is taken in, analysed and answered by itself; memory does not grow with them."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from app.domain.media import Chunk
from app.errors import BallastError, PayloadTooLarge
from app.media.pictures import Pictures, ReceivedPicture
from app.storage.spool import Spool, open_spool
from app.storage.store import MediaStore
from app.storage.threads import DiskThreads
from app.vision.analysis import Analysis, AnalysisRequest

MAX_PICTURES = 100_000
"""Pictures of one batch."""

_AT_A_TIME_PER_WORKER = 2
"""Pictures that are taken in at a time, by worker: one that is analysed, and one that is ready for it."""

Describe = Callable[[int, BallastError], bytes]
"""Makes the line of a picture that could not be analysed, by its index."""


class PictureSource(ABC):
    """Where one picture of a batch comes from."""

    @abstractmethod
    def open(self, pictures: Pictures, max_bytes: int, client: str) -> AbstractAsyncContextManager[ReceivedPicture]:
        """Take the picture in, under a reservation."""

    @abstractmethod
    async def skip(self) -> None:
        """Pass over what is left of it, so that the next one can be read."""


class SentPicture(PictureSource):
    """A part of the request's body."""

    def __init__(self, chunks: AsyncIterator[Chunk]) -> None:
        self._chunks = chunks

    def open(self, pictures: Pictures, max_bytes: int, client: str) -> AbstractAsyncContextManager[ReceivedPicture]:
        return pictures.receive(self._chunks, max_bytes, client)

    async def skip(self) -> None:
        async for _ in self._chunks:
            pass


class StoredPicture(PictureSource):
    """A media item."""

    def __init__(self, store: MediaStore, media_id: str) -> None:
        self._store = store
        self._media_id = media_id

    async def skip(self) -> None:
        """Nothing is left: an item is read by itself."""

    @asynccontextmanager
    async def open(self, pictures: Pictures, max_bytes: int, client: str) -> AsyncIterator[ReceivedPicture]:
        async with self._store.reader(self._media_id) as reader:
            size_bytes = reader.item.size_bytes
            if size_bytes > max_bytes:
                raise PayloadTooLarge(f"A picture may have {max_bytes} bytes.", maxBytes=max_bytes)
            chunks = reader.chunks(0, size_bytes)
            async with pictures.receive(chunks, max_bytes, client) as picture:
                yield picture


class Batches:
    """Runs batches."""

    def __init__(self, analysis: Analysis, pictures: Pictures, store: MediaStore, disk: DiskThreads) -> None:
        self._analysis = analysis
        self._pictures = pictures
        self._store = store
        self._disk = disk

    def stored(self, media_ids: list[str]) -> list[PictureSource]:
        """Return the sources of stored pictures."""
        return [StoredPicture(self._store, media_id) for media_id in media_ids]

    def spool(self) -> AbstractAsyncContextManager[Spool]:
        """Give the file in which the lines of one batch wait."""
        return open_spool("batch", self._store.temp_files, self._disk)

    async def run(
        self,
        request: AnalysisRequest,
        sources: AsyncIterator[PictureSource],
        spool: Spool,
        describe: Describe,
        all_taken: asyncio.Event,
    ) -> None:
        """Answer `request` for every picture, and write its line to `spool`, in order of completion.

        `all_taken` is set when the last picture was taken in.

        Raises:
            BallastError: reading the request failed (broken form, idle or gone client); lines so far are written.
        """
        places = asyncio.Semaphore(_AT_A_TIME_PER_WORKER * self._analysis.vision.pool.concurrency_max)
        broken: BallastError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                try:
                    index = 0
                    async for source in sources:
                        await places.acquire()
                        taken = asyncio.Event()
                        work = self._analyze(index, request, source, taken)
                        tasks.create_task(self._write(index, work, places, spool, describe))
                        await taken.wait()
                        index += 1
                except BallastError as error:  # what was taken in whole is answered first
                    broken = error
                all_taken.set()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        if broken is not None:
            raise broken

    async def _analyze(
        self, index: int, request: AnalysisRequest, source: PictureSource, taken: asyncio.Event
    ) -> bytes:
        try:
            async with source.open(self._pictures, self._analysis.max_bytes, request.client) as picture:
                taken.set()
                result = await self._analysis.analyze(request, picture)
                return result.to_json(index=index)
        except BallastError:
            if not taken.is_set():
                await source.skip()
            raise
        finally:
            taken.set()

    async def _write(
        self, index: int, work: Awaitable[bytes], places: asyncio.Semaphore, spool: Spool, describe: Describe
    ) -> None:
        try:
            line = await work
        except BallastError as error:
            line = describe(index, error)
        finally:
            places.release()
        await spool.write(line + b"\n")
