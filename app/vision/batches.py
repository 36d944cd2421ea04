"""Many pictures in one request: each is taken in, analysed and answered by itself; memory does not grow with them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

from app import log
from app.domain.media import Chunk
from app.errors import BallastError, PayloadTooLarge
from app.media.pictures import Pictures
from app.storage.spool import Spool, open_spool
from app.storage.store import MediaStore
from app.storage.threads import DiskThreads
from app.vision.analysis import Analysis, AnalysisRequest
from app.vision.result import AnalysisResult

MAX_PICTURES = 100_000
"""Pictures of one batch."""

_AT_A_TIME_PER_INSTANCE = 2
"""Pictures that are taken in at a time, by child: one that is analysed, and one that is ready for it."""


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """The bytes of one picture as they come; `media_id` is empty for one that was sent."""

    chunks: AsyncIterator[Chunk]
    media_id: str = ""


PictureSource = AbstractAsyncContextManager[SourcePicture]
"""Lends one picture for the block."""


@asynccontextmanager
async def sent_picture(chunks: AsyncIterator[Chunk]) -> AsyncIterator[SourcePicture]:
    """Lend a part of the request's body; one that cannot be taken is read to its end, for the next one follows it."""
    try:
        yield SourcePicture(chunks)
    except BallastError:
        async for _ in chunks:
            pass
        raise


class Batches:
    """Opens batches."""

    def __init__(
        self, analysis: Analysis, pictures: Pictures, store: MediaStore, disk: DiskThreads, instances: int
    ) -> None:
        """`pictures` takes them in under BATCH; `instances`: children that work on a task at a time."""
        self.pictures = pictures
        self._analysis = analysis
        self._store = store
        self._disk = disk
        self._at_a_time = _AT_A_TIME_PER_INSTANCE * instances

    @asynccontextmanager
    async def stored_picture(self, media_id: str) -> AsyncIterator[SourcePicture]:
        """Lend a media item, which cannot be deleted meanwhile.

        Raises:
            NotFound: there is no such item.
            PayloadTooLarge: it is larger than a picture may be.
        """
        max_bytes = self._analysis.max_bytes
        async with self._store.reader(media_id) as reader:
            size_bytes = reader.item.size_bytes
            if size_bytes > max_bytes:
                raise PayloadTooLarge(f"A picture may have {max_bytes} bytes.", maxBytes=max_bytes)
            yield SourcePicture(reader.chunks(0, size_bytes), media_id)

    def list(self, client: str) -> AbstractAsyncContextManager[Spool]:
        """Give a place on the disk for the ids of a batch, for the block."""
        return open_spool("list", client, self._store.scratch, self._disk)

    @asynccontextmanager
    async def open(self, request: AnalysisRequest) -> AsyncIterator[Batch]:
        """Give a batch, which answers `request` for every picture, for the block; its lines are gone afterwards."""
        async with open_spool("batch", request.client, self._store.scratch, self._disk) as lines:
            yield Batch(self._analysis, self.pictures, request, lines, self._at_a_time)


class Batch:
    """One batch at work. Its `lines` wait on the disk; `all_taken` is set when the last picture has been taken in."""

    def __init__(
        self, analysis: Analysis, pictures: Pictures, request: AnalysisRequest, lines: Spool, at_a_time: int
    ) -> None:
        self.lines = lines
        self.all_taken = asyncio.Event()
        self._analysis = analysis
        self._pictures = pictures
        self._request = request
        self._places = asyncio.Semaphore(at_a_time)
        self._last_word: BallastError | None = None

    def cut(self, work: asyncio.Task[None], error: BallastError) -> None:
        """End its `work` now; the last line says why."""
        self._last_word = error
        work.cancel()

    async def run(self, sources: AsyncIterator[PictureSource]) -> None:
        """Write the line of each picture, in order of completion.

        Where the request cannot be read to its end (a broken form, a client that is idle or gone), the pictures that
        came whole are answered, and the last line says why: a problem with `index: null`. The same where the lines
        that wait for the client have no more room on the disk, or in the client's share of it.
        """
        last = b""
        try:
            await self._answer_all(sources)
        except BallastError as error:
            last = _problem_line(None, error)
        except asyncio.CancelledError:
            if self._last_word is not None:
                last = _problem_line(None, self._last_word)
            raise
        finally:
            self.all_taken.set()
            self.lines.end(last)

    async def _answer_all(self, sources: AsyncIterator[PictureSource]) -> None:
        broken: BallastError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                try:
                    index = 0
                    async for source in sources:
                        await self._places.acquire()
                        taken = asyncio.Event()
                        tasks.create_task(self._answer(index, source, taken))
                        await taken.wait()
                        index += 1
                except BallastError as error:
                    broken = error
                self.all_taken.set()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        if broken is not None:
            raise broken

    async def _answer(self, index: int, source: PictureSource, taken: asyncio.Event) -> None:
        """Answer one picture; its place is free when its line is on the disk: lines do not pile up before that."""
        try:
            try:
                line = (await self._analyze(source, taken)).to_json(index=index) + b"\n"
            except BallastError as error:
                line = _problem_line(index, error)
            finally:
                taken.set()
            await self.lines.write(line)
        finally:
            self._places.release()

    async def _analyze(self, source: PictureSource, taken: asyncio.Event) -> AnalysisResult:
        received, client = self._pictures.receive, self._request.client
        async with source as sent, received(sent.chunks, self._analysis.max_bytes, client) as picture:
            taken.set()
            return await self._analysis.analyze(replace(self._request, media_id=sent.media_id), picture)


def _problem_line(index: int | None, error: BallastError) -> bytes:
    return json.dumps({"index": index, **error.problem(log.request_id.get())}, separators=(",", ":")).encode() + b"\n"
