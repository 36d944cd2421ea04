"""Receiving media: bytes from a client into the store, once, whatever their number."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from app.domain.media import Chunk, MediaItem, MediaKind, MediaType
from app.errors import PayloadTooLarge, UnsupportedMedia
from app.media.details import PICTURE_HEAD_BYTES, Inspect, by_header
from app.media.sniff import HEAD_BYTES, sniff
from app.settings import UploadSettings
from app.storage.store import MediaStore

_NAME_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class UploadStatistics:
    """Uploads that are coming in now, and the bytes of them that have come."""

    active: int
    received_bytes: int


@dataclass(slots=True)
class UploadTotals:
    """Since the start: requests that brought bytes, those that were refused or broke off, and the bytes of all."""

    begun: int = 0
    failed: int = 0
    received_bytes: int = 0


class Progress:
    """The bytes that one request brings to an upload, which has `start_bytes` already and may have `limit_bytes`."""

    __slots__ = ("_limit_bytes", "_start_bytes", "received_bytes")

    def __init__(self, limit_bytes: int, start_bytes: int) -> None:
        self.received_bytes = 0
        self._limit_bytes = limit_bytes
        self._start_bytes = start_bytes

    def count(self, chunk: Chunk) -> None:
        """Take note of the next bytes.

        Raises:
            PayloadTooLarge: there are too many.
        """
        self.received_bytes += len(chunk)
        check_size(self._start_bytes + self.received_bytes, self._limit_bytes)


class Uploads:
    """Takes media of any size in constant memory: type by the first bytes, size by counting, commit at the end."""

    def __init__(
        self,
        store: MediaStore,
        settings: UploadSettings,
        inspect: Inspect = by_header,
        follow: Callable[[MediaItem], None] = lambda _: None,
    ) -> None:
        """`follow` is told each new item: it finds out later what `inspect` could not."""
        self.limits = settings
        self.inspect = inspect
        self.follow = follow
        self._store = store
        self._active: set[Progress] = set()
        self._ended = UploadTotals()

    async def receive(
        self, chunks: AsyncIterator[Chunk], name: str | None, declared_bytes: int | None, client: str = ""
    ) -> MediaItem:
        """Store what `chunks` give and return the item. If anything goes wrong, nothing of it is left.

        `name` is what the client calls it. `declared_bytes` is how many it announced, None if it did not; `http.body`
        has compared it with the limit.

        Raises:
            PayloadTooLarge: more than `limits.max_bytes` came.
            UnsupportedMedia: no image, video or audio that is accepted; the rest is not read.
            StorageFull: the quota or the disk has no room for it.
        """
        with self.tracked(self.limits.max_bytes) as progress:
            begun = await _take(chunks, HEAD_BYTES, progress)
            media_type = recognise(b"".join(begun)[:HEAD_BYTES])
            if media_type.kind is MediaKind.IMAGE:
                begun += await _take(chunks, PICTURE_HEAD_BYTES, progress)
            head = b"".join(begun)[:PICTURE_HEAD_BYTES]
            async with self._store.writer(declared_bytes, self.limits.digest, client) as writer:
                for chunk in begun:
                    await writer.write(chunk)
                begun.clear()
                async for chunk in chunks:
                    progress.count(chunk)
                    await writer.write(chunk)
                details = await self.inspect(media_type, head, await writer.staged())
                item = await writer.commit(clean_name(name, media_type), media_type, details)
        self.follow(item)
        return item

    def statistics(self) -> UploadStatistics:
        return UploadStatistics(len(self._active), sum(progress.received_bytes for progress in self._active))

    def totals(self) -> UploadTotals:
        received_bytes = self._ended.received_bytes + sum(progress.received_bytes for progress in self._active)
        return replace(self._ended, received_bytes=received_bytes)

    @contextmanager
    def tracked(self, limit_bytes: int, start_bytes: int = 0) -> Iterator[Progress]:
        """Count an upload among those that are coming in, for the block."""
        progress = Progress(limit_bytes, start_bytes)
        self._active.add(progress)
        self._ended.begun += 1
        try:
            yield progress
        except BaseException:
            self._ended.failed += 1
            raise
        finally:
            self._active.discard(progress)
            self._ended.received_bytes += progress.received_bytes


def recognise(head: bytes) -> MediaType:
    """Return the type of media by its first `HEAD_BYTES`.

    Raises:
        UnsupportedMedia: it is not media that is accepted.
    """
    media_type = sniff(head)
    if media_type is None:
        raise UnsupportedMedia("Send an image, a video or an audio file; other types are not accepted.")
    return media_type


def check_size(size_bytes: int, limit_bytes: int) -> None:
    """Make sure that an upload keeps to its limit.

    Raises:
        PayloadTooLarge: it does not.
    """
    if size_bytes > limit_bytes:
        raise PayloadTooLarge(f"This upload may have at most {limit_bytes} bytes.", limitBytes=limit_bytes)


def clean_name(name: str | None, media_type: MediaType) -> str:
    """Return the client's name without folders and control characters, shortened; one made up here if nothing is left.

    It is shown and offered for saving, and never part of a path on this machine.
    """
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    kept = "".join(character for character in last if unicodedata.category(character)[0] != "C").strip(" .")
    stem, dot, extension = kept.rpartition(".")
    if len(kept) > _NAME_CHARACTERS:
        keeps_extension = dot and len(extension) <= 16
        kept = f"{stem[: _NAME_CHARACTERS - 17]}.{extension}" if keeps_extension else kept[:_NAME_CHARACTERS]
    return kept or f"{media_type.kind.value}{media_type.extension}"


async def _take(chunks: AsyncIterator[Chunk], wanted_bytes: int, progress: Progress) -> list[Chunk]:
    """Return the next chunks: until `wanted_bytes` of the whole upload have come, or its end."""
    taken: list[Chunk] = []
    while progress.received_bytes < wanted_bytes and (chunk := await anext(chunks, None)) is not None:
        progress.count(chunk)
        taken.append(chunk)
    return taken
