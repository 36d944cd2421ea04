"""The file of a resumable upload: put together piece by piece, and made a media item when it is whole."""

from __future__ import annotations

import hmac
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from app.domain.media import Chunk, MediaItem
from app.errors import BallastError, ChecksumMismatch, NotFound, UnsupportedMedia
from app.media.details import PICTURE_HEAD_BYTES
from app.media.sniff import HEAD_BYTES
from app.media.uploads import Uploads, clean_name, recognise
from app.storage import ids
from app.storage.appender import Appender, Hash
from app.storage.stage import Stage, new_hash
from app.storage.staging import Staging
from app.storage.store import MediaStore
from app.storage.threads import finish
from app.storage.writer import FinishedFile

logger = logging.getLogger("ballast.uploads")

CHECKSUMS = ("sha1", "sha256", "md5")
"""Digests that a client may send with a piece; SHA-1 is the one that every tus server has to know."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """The digest that the bytes of one piece must have: its name (one of `CHECKSUMS`) and its value."""

    algorithm: str
    value: bytes

    def compare(self, digest: Hash) -> None:
        """Make sure that `digest`, which has seen the bytes, is this one.

        Raises:
            ChecksumMismatch: it is not.
        """
        if not hmac.compare_digest(digest.digest(), self.value):
            raise ChecksumMismatch("The bytes do not match their checksum. None of them was kept.")


class Assembly:
    """Appends pieces to uploads, and makes items of whole ones. One caller at a time works on an upload."""

    def __init__(self, staging: Staging, store: MediaStore, uploads: Uploads) -> None:
        self._staging = staging
        self._store = store
        self._uploads = uploads

    async def append(self, stage: Stage, chunks: AsyncIterator[Chunk], checksum: Checksum | None) -> None:
        """Write what comes; however that ends, the upload is then as long as what can be believed of its file.

        What came is kept even where the rest does not come; with a checksum it is all or nothing.

        Raises:
            PayloadTooLarge: more bytes than there should be.
            UnsupportedMedia: it is not media; the upload is gone.
            ChecksumMismatch: the bytes do not match it; none of them is kept.
            StorageFull: there is no room for them.
        """
        try:
            await self._append(stage, chunks, checksum)
        except UnsupportedMedia:
            await self._staging.remove(stage)
            raise

    async def complete(self, stage: Stage) -> None:
        """Make the item if the upload is whole and has none yet; a part of another upload gets none.

        Raises:
            UnsupportedMedia: it is not media; the upload is gone.
            StorageFull: there is no room for it; the upload stays whole.
        """
        if not stage.whole or stage.finished or stage.is_partial:
            return
        item = await self._made_before(stage) or await self._make(stage)
        self._uploads.follow(item)
        stage.state.media_id = item.id
        await self._staging.finish(stage)

    async def join(self, parts: Sequence[Stage], whole: Stage) -> None:
        """Append the bytes of `parts` to a new upload, and make its item. If that fails, the new upload is gone.

        Raises:
            UnsupportedMedia: together they are not media.
            StorageFull: there is no room for them.
        """
        try:
            await self._staging.join(parts, whole)
            await self.complete(whole)
        except BaseException:
            await self._staging.remove(whole)
            raise

    async def recognise(self, parts: Sequence[Stage]) -> None:
        """Look at the first bytes of what `parts` would be together.

        Raises:
            UnsupportedMedia: it is not media that is accepted.
        """
        head = b""
        for part in parts:
            if len(head) < HEAD_BYTES:
                head += await self._staging.head(part, HEAD_BYTES - len(head))
        recognise(head)

    async def _append(self, stage: Stage, chunks: AsyncIterator[Chunk], checksum: Checksum | None) -> None:
        digest = None if checksum is None else new_hash(checksum.algorithm)
        sha256_before = None if digest is None or stage.sha256 is None else stage.sha256.copy()
        await self._hold(stage, None if digest is None else stage.size_bytes)
        appender = self._staging.appender(stage, [] if digest is None else [digest])
        believed = digest is None
        try:
            await self._write(stage, appender, chunks)
            await appender.sync()
            if digest is not None and checksum is not None:
                checksum.compare(digest)
                believed = True
        finally:
            if not believed:
                stage.sha256 = sha256_before
            await finish(self._close(stage, appender, believed=believed))  # a client that goes cancels this, too
        await self._hold(stage, None)

    async def _write(self, stage: Stage, appender: Appender, chunks: AsyncIterator[Chunk]) -> None:
        recognised = stage.recognised or stage.is_partial
        head = bytearray() if recognised else bytearray(await self._staging.head(stage, HEAD_BYTES))
        limit_bytes = self._uploads.limits.max_bytes if stage.state.length is None else stage.state.length
        with self._uploads.tracked(limit_bytes, appender.size_bytes) as progress:
            async for chunk in chunks:
                progress.count(chunk)
                if not recognised:
                    head += chunk[: HEAD_BYTES - len(head)]
                    if len(head) >= HEAD_BYTES or appender.size_bytes + len(chunk) == stage.state.length:
                        recognise(bytes(head))
                        recognised = stage.recognised = True
                await appender.write(chunk)

    async def _close(self, stage: Stage, appender: Appender, *, believed: bool) -> None:
        """Write what is left, and set how far the upload has come."""
        try:
            if believed:
                await appender.sync()
        except (BallastError, OSError) as error:
            logger.warning("the last bytes of an upload could not be written: %s", error)
        await appender.aclose()
        if not believed:
            await self._staging.set_size(stage, appender.start_bytes, is_secured=False)
        else:
            if appender.kept_bytes < appender.written_bytes:
                stage.sha256 = None  # it has seen what is dropped: it is taken anew at the end
            await self._staging.set_size(stage, appender.kept_bytes, is_secured=appender.is_secured)

    async def _hold(self, stage: Stage, held_bytes: int | None) -> None:
        """Save how many bytes a restart may believe, where not all: others are coming with a checksum."""
        before = stage.state.held_bytes
        if before == held_bytes:
            return
        stage.state.held_bytes = held_bytes
        try:
            await self._staging.save(stage)
        except (BallastError, OSError):  # where it is cancelled, it is written all the same
            stage.state.held_bytes = before
            raise

    async def _made_before(self, stage: Stage) -> MediaItem | None:
        """Return the item that was made just before a crash, which the upload does not know of."""
        if stage.state.planned_id is None:
            return None
        try:
            return await self._store.get(stage.state.planned_id)
        except NotFound:
            return None

    async def _make(self, stage: Stage) -> MediaItem:
        await self._staging.secure(stage)
        path = self._staging.path(stage)
        head = await self._staging.head(stage, PICTURE_HEAD_BYTES)
        try:
            media_type = recognise(head[:HEAD_BYTES])
        except UnsupportedMedia:
            await self._staging.remove(stage)
            raise
        sha256 = await self._staging.digest(stage)
        stage.state.planned_id = ids.new_id(media_type.kind, datetime.now(UTC))
        await self._staging.save(stage)
        return await self._store.adopt(
            FinishedFile(
                path=path,
                size_bytes=stage.size_bytes,
                sha256=sha256,
                media_id=stage.state.planned_id,
                name=clean_name(stage.state.name, media_type),
                media_type=media_type,
                details=await self._uploads.inspect(media_type, head, path),
            )
        )
