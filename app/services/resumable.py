"""Uploads in many requests, which go on after a broken connection or a restart; the last byte makes a media item.

What HTTP has to do with it (tus 1.0.0) is in `api/tus.py`; here is what an upload may do and when.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio

from app.domain.media import MediaItem
from app.errors import (
    BadRequest,
    BallastError,
    ChecksumMismatch,
    Conflict,
    Forbidden,
    NotFound,
    PayloadTooLarge,
    QueueFull,
    UnsupportedMedia,
)
from app.media.sniff import HEAD_BYTES, sniff
from app.services.locks import UploadLocks
from app.services.transfers import Transfers
from app.services.uploads import PICTURE_HEAD_BYTES, Uploads, clean_name, details_of, unsupported
from app.storage import ids
from app.storage.appender import Appender, Hash
from app.storage.stage import FINAL, PARTIAL, Stage, new_hash
from app.storage.staging import Staging
from app.storage.store import Chunk, FinishedFile, MediaStore

logger = logging.getLogger("ballast.uploads")

CHECKSUMS = ("sha1", "sha256", "md5")
"""Digests that a client may send with a piece; SHA-1 is the one that every tus server has to know."""

MAX_FINISHED = 10_000
"""How many finished uploads are remembered at most."""

_JOINED_LINGER_SECONDS = 600.0
"""How long the parts stay once they have been joined: the answer may be lost and the client ask again."""

_SWEEP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Creation:
    """What a client says of a new upload: how long it will be (None: it says later), its name, and all in its words."""

    length: int | None
    name: str | None = None
    metadata: str = ""
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the bytes of one piece must have: the name of a digest (`CHECKSUMS`) and its value."""

    algorithm: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes for an upload. `declared_bytes` is how many were announced, `length` how long the whole will be."""

    offset: int
    chunks: AsyncIterator[Chunk]
    declared_bytes: int | None = None
    length: int | None = None
    checksum: Checksum | None = None
    client: str = ""


@dataclass(frozen=True, slots=True)
class ResumableUpload:
    """How far an upload has come; `media_id` once it has become an item."""

    id: str
    offset: int
    length: int | None
    metadata: str
    concat: str
    expires_at: datetime
    media_id: str | None


class Resumable:
    """Keeps the rules of resumable uploads. One request at a time works on each of them."""

    def __init__(
        self, staging: Staging, store: MediaStore, uploads: Uploads, transfers: Transfers, locks: UploadLocks
    ) -> None:
        self._staging = staging
        self._store = store
        self._uploads = uploads
        self._transfers = transfers
        self._locks = locks
        self.limits = uploads.limits

    async def create(self, creation: Creation) -> ResumableUpload:
        """Begin an upload; the space for it is promised at once.

        Raises:
            PayloadTooLarge: it would be larger than an upload may be.
            UnsupportedMedia: it would be empty.
            QueueFull: too many are unfinished.
            StorageFull: there is no room for it.
        """
        self._check_length(creation.length or 0)
        if creation.length == 0 and not creation.partial:
            raise unsupported()
        self._check_number()
        concat = PARTIAL if creation.partial else ""
        return self._view(await self._staging.create(creation.length, creation.name, creation.metadata, concat))

    async def append(self, upload_id: str, piece: Piece) -> ResumableUpload:
        """Write the bytes of a piece behind those that are there. What came is kept, also where the rest does not come.

        Raises:
            NotFound: there is no such upload.
            Locked: another request works on it, or has taken over.
            Conflict: the piece does not begin where the upload ends.
            Forbidden: the upload was joined from others.
            BadRequest: the length is another than was said before.
            PayloadTooLarge: more bytes than there should be.
            UnsupportedMedia: it is no media; the upload is gone.
            ChecksumMismatch: the bytes are not those that were meant; none of them is kept.
            StorageFull: there is no room for them.
        """
        self._staging.find(upload_id)
        async with self._locks.hold(upload_id) as turn:
            stage = self._staging.find(upload_id)
            self._check_piece(stage, piece)
            if piece.length is not None and stage.state.length is None:
                await self._set_length(stage, piece.length)
            if not stage.whole:
                async with self._transfers.upload(piece.client):
                    await self._receive(stage, piece, turn.chunks(piece.chunks))
            await self._complete_if_whole(stage)
            return self._view(stage)

    async def look(self, upload_id: str) -> ResumableUpload:
        """Return how far an upload has come; a request that is stalled on it ends, so that this stays true.

        Raises:
            NotFound: there is no such upload.
            Locked: another request is getting on with it.
        """
        stage = self._staging.find(upload_id)
        if not stage.finished:
            async with self._locks.hold(upload_id):
                stage = self._staging.find(upload_id)
                await self._complete_if_whole(stage)
        return self._view(stage)

    async def join(self, part_ids: Sequence[str], creation: Creation, concat: str, client: str) -> ResumableUpload:
        """Make one upload of the bytes of others, in this order; they may be used again for a while.

        Raises:
            NotFound: there is no such part.
            BadRequest: one is no part, or not finished.
            Locked: another request works on one of them.
            PayloadTooLarge, UnsupportedMedia, QueueFull, StorageFull: as for other uploads.
        """
        async with AsyncExitStack() as stack:
            for part_id in sorted(set(part_ids)):
                self._staging.find(part_id)
                await stack.enter_async_context(self._locks.hold(part_id))
            parts = [self._find_part(part_id) for part_id in part_ids]
            length = sum(part.size_bytes for part in parts)
            self._check_length(length)
            self._check_number()
            await stack.enter_async_context(self._transfers.upload(client))
            whole = await self._staging.create(length, creation.name, creation.metadata, f"{FINAL};{concat}")
            try:
                async with self._locks.hold(whole.state.id):
                    await self._staging.join(parts, whole)
                    await self._complete_if_whole(whole)
            except BaseException:
                await self._staging.remove(whole)
                raise
            for part in parts:
                part.touched_at = time.time() - self.limits.expire_seconds + _JOINED_LINGER_SECONDS
            return self._view(whole)

    async def terminate(self, upload_id: str) -> None:
        """Forget an upload and its bytes. The item that it has become stays.

        Raises:
            NotFound: there is no such upload.
            Locked: another request is getting on with it.
        """
        self._staging.find(upload_id)
        async with self._locks.hold(upload_id):
            await self._staging.remove(self._staging.find(upload_id))

    async def run(self) -> None:
        """Finish what an earlier run left whole, then remove what has expired, until cancelled."""
        for stage in self._staging:
            if stage.whole and not stage.finished and not stage.is_partial:
                await self._complete_left(stage.state.id)
        while True:
            await asyncio.sleep(min(_SWEEP_SECONDS, self.limits.expire_seconds / 10))
            try:
                await self.sweep(time.time())
            except Exception:  # a full or broken disk now may be well again at the next round
                logger.exception("sweeping resumable uploads failed")

    async def sweep(self, now: float) -> None:
        """Remove uploads to which no byte came for so long, `now` being in seconds since 1970."""
        finished = sorted((stage for stage in self._staging if stage.finished), key=lambda stage: stage.touched_at)
        surplus = set(finished[: max(0, len(finished) - MAX_FINISHED)])
        for stage in self._staging:
            due = stage.touched_at + self.limits.expire_seconds <= now
            if (due or stage in surplus) and not self._locks.held(stage.state.id):
                await self._staging.remove(stage)

    async def _complete_left(self, upload_id: str) -> None:
        try:
            await self.look(upload_id)
        except (BallastError, OSError) as error:
            logger.warning("an upload of an earlier run could not be finished: %s", error)

    async def _set_length(self, stage: Stage, length: int) -> None:
        self._check_length(length)
        if length < stage.size_bytes:
            raise BadRequest("The upload has more bytes already than its Upload-Length says.")
        assert stage.reservation is not None
        await stage.reservation.promise(length)
        stage.state.length = length
        await self._staging.save(stage)

    async def _receive(self, stage: Stage, piece: Piece, chunks: AsyncIterator[Chunk]) -> None:
        """Write what comes; however that ends, the upload is then as long as what can be believed of its file."""
        digest = None if piece.checksum is None else new_hash(piece.checksum.algorithm)
        carried = stage.sha256.copy() if digest is not None and stage.sha256 is not None else None
        if digest is not None:
            stage.state.held_bytes = stage.size_bytes
            await self._staging.save(stage)
        appender = self._staging.appender(stage, [digest] if digest is not None else [])
        try:
            await self._write(stage, appender, chunks)
            await appender.sync()
            if digest is not None:
                _compare(digest, piece.checksum)
                stage.state.held_bytes = None
        except UnsupportedMedia:
            await self._close(stage, appender, carried)
            await self._staging.remove(stage)
            raise
        except BaseException:
            await self._close(stage, appender, carried)
            raise
        await self._close(stage, appender, carried)

    async def _write(self, stage: Stage, appender: Appender, chunks: AsyncIterator[Chunk]) -> None:
        recognised = stage.recognised or stage.is_partial
        head = bytearray() if recognised else bytearray(await self._staging.head(stage, HEAD_BYTES))
        limit = self.limits.max_bytes if stage.state.length is None else stage.state.length
        with self._uploads.tracked() as progress:
            async for chunk in chunks:
                progress.received_bytes += len(chunk)
                end = appender.size_bytes + len(chunk)
                if end > limit:
                    raise PayloadTooLarge(f"The upload is to have {limit} bytes.", limitBytes=limit)
                if not recognised:
                    head += chunk[: HEAD_BYTES - len(head)]
                    if len(head) >= HEAD_BYTES or end == stage.state.length:
                        recognised = stage.recognised = _recognise(bytes(head))
                await appender.write(chunk)

    async def _close(self, stage: Stage, appender: Appender, carried: Hash | None) -> None:
        """Keep what has come, unless its checksum was not seen to be right."""
        with anyio.CancelScope(shield=True):
            try:
                await appender.sync()
            except (BallastError, OSError) as error:
                logger.warning("the last bytes of an upload could not be written: %s", error)
            await appender.aclose()
            if stage.state.held_bytes is None:
                await self._staging.settle(stage, appender.written_bytes)
                return
            await self._staging.settle(stage, stage.state.held_bytes)
            stage.sha256 = carried
            stage.state.held_bytes = None
            await self._staging.save(stage)

    async def _complete_if_whole(self, stage: Stage) -> None:
        if stage.whole and not stage.finished and not stage.is_partial:
            item = await self._complete(stage)
            stage.state.media_id = item.id
            await self._staging.finish(stage)

    async def _complete(self, stage: Stage) -> MediaItem:
        """Make the item. A crash at any point leaves the upload whole, and the item is found by its planned id."""
        if stage.state.planned_id is not None:
            try:
                return await self._store.get(stage.state.planned_id)
            except NotFound:
                pass
        head = await self._staging.head(stage, PICTURE_HEAD_BYTES)
        media_type = sniff(head[:HEAD_BYTES])
        if media_type is None:
            await self._staging.remove(stage)
            raise unsupported()
        sha256 = await self._staging.digest(stage)
        stage.state.planned_id = ids.new_id(media_type.kind, datetime.now(UTC))
        await self._staging.save(stage)
        return await self._store.adopt(
            FinishedFile(
                path=self._staging.path(stage),
                size_bytes=stage.size_bytes,
                sha256=sha256,
                media_id=stage.state.planned_id,
                name=clean_name(stage.state.name, media_type),
                media_type=media_type,
                details=details_of(media_type, head),
            )
        )

    def _check_piece(self, stage: Stage, piece: Piece) -> None:
        if stage.is_final:
            raise Forbidden("This upload was joined from others; no bytes can be added to it.")
        if piece.offset != stage.size_bytes:
            raise Conflict("The piece does not begin where the upload ends.", offset=stage.size_bytes)
        if piece.length is not None and stage.state.length not in (None, piece.length):
            raise BadRequest("Upload-Length is another than it was at first.")
        length = stage.state.length if piece.length is None else piece.length
        limit = self.limits.max_bytes if length is None else length
        if piece.offset + (piece.declared_bytes or 0) > limit:
            raise PayloadTooLarge(f"The upload is to have {limit} bytes.", limitBytes=limit)

    def _check_length(self, length: int) -> None:
        if length > self.limits.max_bytes:
            raise PayloadTooLarge(
                f"An upload may have at most {self.limits.max_bytes} bytes.", limitBytes=self.limits.max_bytes
            )

    def _check_number(self) -> None:
        if self._staging.unfinished >= self.limits.max_resumable:
            raise QueueFull("Too many resumable uploads are unfinished.", retry_after_seconds=60)

    def _find_part(self, part_id: str) -> Stage:
        part = self._staging.find(part_id)
        if not part.is_partial:
            raise BadRequest("Upload-Concat names an upload that is no partial one.")
        if not part.whole:
            raise BadRequest("Upload-Concat names a partial upload that is not finished.")
        return part

    def _view(self, stage: Stage) -> ResumableUpload:
        expires_at = datetime.fromtimestamp(stage.touched_at + self.limits.expire_seconds, UTC)
        state = stage.state
        return ResumableUpload(
            state.id, stage.size_bytes, state.length, state.metadata, state.concat, expires_at, state.media_id
        )


def _recognise(head: bytes) -> bool:
    if sniff(head) is None:
        raise unsupported()
    return True


def _compare(digest: Hash, checksum: Checksum | None) -> None:
    if checksum is not None and not hmac.compare_digest(digest.digest(), checksum.value):
        raise ChecksumMismatch("The bytes are not those that the checksum was taken of. None of them was kept.")
