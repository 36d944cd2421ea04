"""Receiving media: bytes from a client into the store, once, whatever their number."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.domain.media import Chunk, MediaItem, MediaKind, MediaType
from app.errors import PayloadTooLarge, UnsupportedMedia
from app.media.details import PICTURE_HEAD_BYTES, Inspect, by_header
from app.media.sniff import HEAD_BYTES, sniff
from app.settings import UploadSettings
from app.storage.store import MediaStore
from app.storage.writer import MediaWriter

_NAME_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class UploadStatistics:
    """Uploads that are coming in now, and the bytes of them that have come."""

    active: int
    received_bytes: int


class Progress:
    """The bytes of one upload so far."""

    __slots__ = ("received_bytes",)

    def __init__(self) -> None:
        self.received_bytes = 0


class Uploads:
    """Takes media of any size in constant memory: type by the first bytes, caps while counting, commit at the end."""

    def __init__(self, store: MediaStore, settings: UploadSettings, inspect: Inspect = by_header) -> None:
        self.limits = settings
        self.inspect = inspect
        self._store = store
        self._active: set[Progress] = set()

    async def receive(self, chunks: AsyncIterator[Chunk], name: str | None, declared_bytes: int | None) -> MediaItem:
        """Store what `chunks` give and return the item. If anything goes wrong, nothing of it is left.

        `name` is what the client calls it. `declared_bytes` is how many it announced, None if it did not.

        Raises:
            PayloadTooLarge: more than `limits.max_bytes`, by announcement or by count.
            UnsupportedMedia: no image, video or audio that is accepted; the rest is not read.
            StorageFull: the quota or the disk has no room for it.
        """
        self._check_size(declared_bytes or 0)
        with self.tracked() as progress:
            head: list[Chunk] = []
            await self._take(chunks, HEAD_BYTES, head, progress)
            media_type = sniff(_beginning(head, HEAD_BYTES))
            if media_type is None:
                raise unsupported()
            if media_type.kind is MediaKind.IMAGE:
                await self._take(chunks, PICTURE_HEAD_BYTES, head, progress)
            beginning = _beginning(head, PICTURE_HEAD_BYTES)
            async with self._store.writer(declared_bytes, self.limits.digest) as writer:
                await self._write(writer, head, chunks, progress)
                details = await self.inspect(media_type, beginning, await writer.staged())
                return await writer.commit(clean_name(name, media_type), media_type, details)

    def statistics(self) -> UploadStatistics:
        return UploadStatistics(len(self._active), sum(progress.received_bytes for progress in self._active))

    @contextmanager
    def tracked(self) -> Iterator[Progress]:
        """Count an upload among those that are coming in, for the block."""
        progress = Progress()
        self._active.add(progress)
        try:
            yield progress
        finally:
            self._active.discard(progress)

    async def _take(self, chunks: AsyncIterator[Chunk], wanted: int, head: list[Chunk], progress: Progress) -> None:
        """Collect chunks in `head` until they hold `wanted` bytes or end."""
        while progress.received_bytes < wanted and (chunk := await anext(chunks, None)) is not None:
            head.append(chunk)
            progress.received_bytes += len(chunk)
            self._check_size(progress.received_bytes)

    async def _write(
        self, writer: MediaWriter, head: list[Chunk], chunks: AsyncIterator[Chunk], progress: Progress
    ) -> None:
        for chunk in head:
            await writer.write(chunk)
        head.clear()
        async for chunk in chunks:
            progress.received_bytes += len(chunk)
            self._check_size(progress.received_bytes)
            await writer.write(chunk)

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self.limits.max_bytes:
            raise PayloadTooLarge(
                f"An upload may have at most {self.limits.max_bytes} bytes.", limitBytes=self.limits.max_bytes
            )


def unsupported() -> UnsupportedMedia:
    """Return the refusal of what is no media."""
    return UnsupportedMedia("Send an image, a video or an audio file; other types are not accepted.")


def clean_name(name: str | None, media_type: MediaType) -> str:
    """Return the client's name without folders and control characters, shortened; a name of ours if nothing is left.

    It is shown and offered for saving, and never part of a path of ours.
    """
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    kept = "".join(character for character in last if unicodedata.category(character)[0] != "C").strip(" .")
    stem, dot, extension = kept.rpartition(".")
    if len(kept) > _NAME_CHARACTERS:
        keeps_extension = dot and len(extension) <= 16
        kept = f"{stem[: _NAME_CHARACTERS - 17]}.{extension}" if keeps_extension else kept[:_NAME_CHARACTERS]
    return kept or f"{media_type.kind.value}{media_type.extension}"


def _beginning(chunks: list[Chunk], size_bytes: int) -> bytes:
    return b"".join(chunks)[:size_bytes]
