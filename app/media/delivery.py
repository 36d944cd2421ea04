"""How media is handed out: the bytes themselves in the answer, or a reference to them. The rule is here, once.

At most `inline_max_bytes`: the answer carries the bytes as base64. Above that, or when memory is CRITICAL, or when the
bytes cannot be read back, it says `largeFile` and the client takes `url` (or `path`).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

import pybase64

from app.domain.media import MediaItem
from app.domain.pressure import PressureLevel
from app.domain.units import KIB
from app.errors import BallastError
from app.media.links import Links
from app.media.schema import MediaItemSchema
from app.settings import StorageSettings, UploadSettings
from app.storage.store import MediaStore

logger = logging.getLogger("ballast.delivery")

ENCODED_CHUNK_BYTES = 192 * KIB
"""Bytes that are encoded at a time, a multiple of 3 (base64 makes 4 characters of 3 bytes): 49 MiB in 40 ms, +2 MB."""


class Inline(StrEnum):
    """Whether the client wants the bytes in the answer: by the rule, or never."""

    AUTO = "auto"
    NEVER = "never"


class Shape(StrEnum):
    """The form of the answer: the item itself, or below `clip` as the Electron editor reads it."""

    ITEM = "item"
    CLIP = "clip"


_AROUND_MEMBERS = {
    Shape.ITEM: (b'{"success":true,', b"}"),
    Shape.CLIP: (b'{"success":true,"clip":{', b"}}"),
}


@dataclass(frozen=True, slots=True)
class SizedBody:
    """The JSON of one item: its exact length, and its bytes in pieces."""

    length_bytes: int
    chunks: AsyncIterator[bytes]


class Delivery:
    """Hands out media items as JSON, in constant memory."""

    def __init__(
        self,
        store: MediaStore,
        upload: UploadSettings,
        storage: StorageSettings,
        level: Callable[[], PressureLevel],
        links: Links,
    ) -> None:
        self._store = store
        self._inline_max_bytes = upload.inline_max_bytes
        self._lifetime = timedelta(seconds=storage.ttl_seconds) if storage.ttl_seconds else None
        self._shared_paths = storage.shared_paths
        self._level = level
        self._links = links

    def describe(self, item: MediaItem) -> dict[str, Any]:
        """Return an item as a reference, by the names of `MediaItemSchema`: `large_file` tells by the size alone."""
        local_path = self._store.local_path(item) if self._shared_paths else None
        return {
            **item.members(),
            "large_file": item.size_bytes > self._inline_max_bytes,
            "url": self._links.content(item),
            "presets": self._links.presets(item),
            "hls": self._links.hls(item),
            "expires_at": item.created_at + self._lifetime if self._lifetime is not None else None,
            "file_path": str(local_path) if local_path is not None else None,
            "buffer": None,
        }

    def gives_bytes(self, item: MediaItem) -> bool:
        """Whether an answer would carry an item's bytes now, if they are asked for."""
        return item.size_bytes <= self._inline_max_bytes and self._level() < PressureLevel.CRITICAL

    @asynccontextmanager
    async def answer(
        self, item: MediaItem, inline: Inline = Inline.AUTO, shape: Shape = Shape.ITEM
    ) -> AsyncIterator[SizedBody]:
        """Prepare the answer for one item; the block must last until it is sent.

        Bytes that cannot be read back are not an error: the answer is a reference then.
        """
        async with self._body(item, inline, _AROUND_MEMBERS[shape]) as body:
            yield body

    @asynccontextmanager
    async def element(self, item: MediaItem) -> AsyncIterator[SizedBody]:
        """Prepare an item, with its bytes by the rule, as an element of a larger document; else as `answer`."""
        async with self._body(item, Inline.AUTO, (b"{", b"}")) as body:
            yield body

    @asynccontextmanager
    async def _body(self, item: MediaItem, inline: Inline, around: tuple[bytes, bytes]) -> AsyncIterator[SizedBody]:
        described = self.describe(item)
        async with AsyncExitStack() as stack:
            source = None
            if inline is Inline.AUTO and not described["large_file"]:
                source = await self._open(item, stack)
                described["large_file"] = source is None
            begin, end = around
            head = begin + MediaItemSchema(**described).members() + b',"buffer":'
            if source is None:
                body = head + b"null" + end
                yield SizedBody(len(body), _once(body))
            else:
                head, tail = head + b'"', b'"' + end
                encoded_bytes = (item.size_bytes + 2) // 3 * 4
                yield SizedBody(len(head) + encoded_bytes + len(tail), _encoded(head, source, tail))

    async def _open(self, item: MediaItem, stack: AsyncExitStack) -> AsyncIterator[bytes] | None:
        """Open the bytes and read the first of them, so that what cannot be read is known before the answer begins."""
        if self._level() >= PressureLevel.CRITICAL:
            return None
        try:
            reader = await stack.enter_async_context(self._store.reader(item.id))
            chunks = reader.chunks(0, item.size_bytes, ENCODED_CHUNK_BYTES)
            return _resumed(await anext(chunks), chunks)
        except (OSError, BallastError) as error:
            logger.warning(
                "the bytes of a media item could not be read back; the answer is its reference (%.2f MB)",
                item.size_bytes / 1e6,
                extra={"mediaId": item.id, "error": str(error)},
            )
            return None


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _resumed(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


async def _encoded(head: bytes, source: AsyncIterator[bytes], tail: bytes) -> AsyncIterator[bytes]:
    """Give `head`, the source as one base64 text, and `tail`. Up to two bytes wait for the next chunk to make three."""
    yield head
    rest = b""
    async for chunk in source:
        data = rest + chunk if rest else chunk
        whole = len(data) - len(data) % 3
        rest = data[whole:]
        if whole:
            yield pybase64.b64encode(data if not rest else data[:whole])
    yield pybase64.b64encode(rest) + tail
