"""How media is handed out: the bytes themselves in the answer, or a reference to them. The rule is here, once.

At most `inline_max_bytes`: the answer carries the bytes as base64. Above, or when memory is CRITICAL, or when the bytes
cannot be read back, it says `largeFile` and the client takes `url` (or `path`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pybase64

from app.domain.media import MediaItem
from app.domain.pressure import PressureLevel
from app.domain.units import KIB
from app.errors import BallastError
from app.media.signer import UrlSigner
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


@dataclass(frozen=True, slots=True)
class Answer:
    """One JSON answer: its exact length, and its bytes in pieces."""

    length_bytes: int
    chunks: AsyncIterator[bytes]


class Delivery:
    """Writes the JSON of media items, in constant memory."""

    def __init__(
        self,
        store: MediaStore,
        upload: UploadSettings,
        storage: StorageSettings,
        level: Callable[[], PressureLevel],
        signer: UrlSigner | None = None,
    ) -> None:
        """With a `signer`, the URLs that are handed out need no key."""
        self._store = store
        self._inline_max_bytes = upload.inline_max_bytes
        self._ttl_seconds = storage.ttl_seconds
        self._shared_paths = storage.shared_paths
        self._level = level
        self._signer = signer

    @asynccontextmanager
    async def answer(
        self, item: MediaItem, inline: Inline = Inline.AUTO, shape: Shape = Shape.ITEM
    ) -> AsyncIterator[Answer]:
        """Prepare the answer for one item; the block must last until it is sent.

        It does not fail for the bytes' sake: where they cannot be given, the reference is.
        """
        large = item.size_bytes > self._inline_max_bytes
        if large or inline is Inline.NEVER:
            yield _reference(self.document(item, large), shape)
            return
        async with AsyncExitStack() as stack:
            source = await self._open(item, stack)
            if source is None:
                yield _reference(self.document(item, True), shape)
            else:
                yield _inlined(self.document(item, False), shape, item.size_bytes, source)

    def document(self, item: MediaItem, large_file: bool | None = None) -> dict[str, object]:
        """Return the JSON members of an item as a reference (`buffer` null); `success` is not among them."""
        expires_at = item.created_at + timedelta(seconds=self._ttl_seconds) if self._ttl_seconds else None
        document: dict[str, object] = {
            "id": item.id,
            "timestampKey": item.timestamp_key,
            "name": item.name,
            "contentType": item.content_type,
            "kind": item.kind.value,
            "sizeBytes": item.size_bytes,
            "sha256": item.sha256,
            "width": item.details.width,
            "height": item.details.height,
            "durationSeconds": item.details.duration_seconds,
            "frameRate": item.details.frame_rate,
            "rotation": item.details.rotation,
            "largeFile": item.size_bytes > self._inline_max_bytes if large_file is None else large_file,
            "path": item.path,
            "url": self._url(item),
            "createdAt": _rfc3339(item.created_at),
            "expiresAt": _rfc3339(expires_at) if expires_at else None,
            "buffer": None,
        }
        if self._shared_paths and (local_path := self._store.local_path(item)) is not None:
            document["filePath"] = str(local_path)
        return document

    def _url(self, item: MediaItem) -> str:
        path = f"/v1/media/{item.id}/content"
        return path if self._signer is None else self._signer.sign(path)

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
                "the bytes of a media item could not be read back; its reference is answered (%.2f MB)",
                item.size_bytes / 1e6,
                extra={"mediaId": item.id, "error": str(error)},
            )
            return None


def _reference(document: dict[str, object], shape: Shape) -> Answer:
    body = _compact({"success": True, "clip": document} if shape is Shape.CLIP else {"success": True, **document})

    async def chunks() -> AsyncIterator[bytes]:
        yield body

    return Answer(len(body), chunks())


def _inlined(document: dict[str, object], shape: Shape, size_bytes: int, source: AsyncIterator[bytes]) -> Answer:
    members = {name: value for name, value in document.items() if name != "buffer"}
    frame = _compact({"success": True, "clip": members} if shape is Shape.CLIP else {"success": True, **members})
    ends = b"}}" if shape is Shape.CLIP else b"}"
    head, tail = frame.removesuffix(ends) + b',"buffer":"', b'"' + ends
    length_bytes = len(head) + (size_bytes + 2) // 3 * 4 + len(tail)
    return Answer(length_bytes, _framed(head, source, tail))


async def _framed(head: bytes, source: AsyncIterator[bytes], tail: bytes) -> AsyncIterator[bytes]:
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


async def _resumed(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


def _compact(document: dict[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
