"""Uploads in many requests, which go on after a broken connection or a restart; the last byte makes a media item.

What belongs to HTTP (tus 1.0.0) is in `media/tus.py`; here is what an upload may do and when.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio

from app.domain.media import Chunk
from app.errors import BadRequest, BallastError, Conflict, Forbidden, QueueFull, UnsupportedMedia
from app.media.assembly import Assembly, Checksum
from app.media.locks import UploadLocks
from app.media.transfers import UPLOAD, Transfers
from app.media.uploads import Uploads, check_size
from app.storage.stage import FINAL, PARTIAL, Stage
from app.storage.staging import Staging
from app.storage.store import MediaStore

logger = logging.getLogger("ballast.uploads")

MAX_FINISHED = 10_000
"""How many finished uploads are remembered at most."""

_JOINED_LINGER_SECONDS = 600.0
"""How long the parts stay once they have been joined: the answer may get lost, and the client ask again."""


@dataclass(frozen=True, slots=True)
class Creation:
    """What a client says of a new upload: its length (None: it says later), its name, and `metadata` as it was sent."""

    length: int | None
    name: str | None = None
    metadata: str = ""
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes for an upload. `declared_bytes` is how many were announced, `length` how many the whole will have."""

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
    """Enforces the rules of resumable uploads. One request at a time works on each of them."""

    def __init__(
        self, staging: Staging, store: MediaStore, uploads: Uploads, transfers: Transfers, locks: UploadLocks
    ) -> None:
        self._staging = staging
        self._assembly = Assembly(staging, store, uploads)
        self._transfers = transfers
        self._locks = locks
        self.limits = uploads.limits

    async def create(self, creation: Creation, first: Piece | None = None) -> ResumableUpload:
        """Begin an upload, and append its `first` piece if there is one; the space for it is promised at once.

        Where the first piece fails, nothing is left: the client knows no URL yet.

        Raises:
            PayloadTooLarge: it would be larger than an upload may be.
            UnsupportedMedia: it would be empty.
            QueueFull: too many are unfinished.
            StorageFull: there is no room for it.
            BallastError: see `append`.
        """
        check_size(creation.length or 0, self.limits.max_bytes)
        if creation.length == 0 and not creation.partial:
            raise UnsupportedMedia("The file is empty; send an image, a video or an audio file.")
        self._check_number()
        concat = PARTIAL if creation.partial else ""
        stage = await self._staging.create(creation.length, creation.name, creation.metadata, concat)
        if first is None:
            return self._view(stage)
        try:
            return await self.append(stage.state.id, first)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._staging.remove(stage)
            raise

    async def append(self, upload_id: str, piece: Piece) -> ResumableUpload:
        """Write the bytes of a piece after those that are there. What came is kept, even if the rest does not come.

        Raises:
            NotFound: there is no such upload.
            Locked: another request works on it, or has taken over.
            Conflict: the piece does not begin where the upload ends.
            Forbidden: the upload was joined from others.
            BadRequest: the length differs from what was sent before.
            PayloadTooLarge: more bytes than there should be.
            UnsupportedMedia: it is not media; the upload is gone.
            ChecksumMismatch: the bytes do not match it; none of them is kept.
            StorageFull: there is no room for them.
        """
        self._staging.find(upload_id)
        async with self._locks.hold(upload_id) as turn:
            stage = self._staging.find(upload_id)
            self._check_piece(stage, piece)
            if piece.length is not None and stage.state.length is None:
                await self._set_length(stage, piece.length)
            if not stage.whole:
                async with self._transfers.admit(UPLOAD, piece.client):
                    await self._assembly.append(stage, turn.chunks(piece.chunks), piece.checksum)
            await self._assembly.complete(stage)
            return self._view(stage)

    async def look(self, upload_id: str) -> ResumableUpload:
        """Return how far an upload has come; a request that is stalled on it ends, so that this stays true.

        Raises:
            NotFound: there is no such upload.
            Locked: another request is making progress on it.
        """
        stage = self._staging.find(upload_id)
        if not stage.finished:
            async with self._locks.hold(upload_id):
                stage = self._staging.find(upload_id)
                await self._assembly.complete(stage)
        return self._view(stage)

    async def join(self, part_ids: Sequence[str], creation: Creation, concat: str, client: str) -> ResumableUpload:
        """Make one upload of the bytes of others, in this order; they may be used again for a while.

        Raises:
            NotFound: there is no such part.
            BadRequest: one is not a part, or not finished.
            Locked: another request works on one of them.
            PayloadTooLarge, UnsupportedMedia, QueueFull, StorageFull: as for other uploads.
        """
        async with AsyncExitStack() as stack:
            for part_id in sorted(set(part_ids)):
                self._staging.find(part_id)
                await stack.enter_async_context(self._locks.hold(part_id))
            parts = [self._find_part(part_id) for part_id in part_ids]
            length = sum(part.size_bytes for part in parts)
            check_size(length, self.limits.max_bytes)
            self._check_number()
            await self._assembly.recognise(parts)
            await stack.enter_async_context(self._transfers.admit(UPLOAD, client))
            whole = await self._staging.create(length, creation.name, creation.metadata, f"{FINAL};{concat}")
            await stack.enter_async_context(self._locks.hold(whole.state.id))
            await self._assembly.join(parts, whole)
            for part in parts:
                part.touched_at = time.time() - self.limits.expire_seconds + _JOINED_LINGER_SECONDS
            return self._view(whole)

    async def terminate(self, upload_id: str) -> None:
        """Forget an upload and its bytes. The item that it has become stays.

        Raises:
            NotFound: there is no such upload.
            Locked: another request is making progress on it.
        """
        self._staging.find(upload_id)
        async with self._locks.hold(upload_id):
            await self._staging.remove(self._staging.find(upload_id))

    async def finish_left(self) -> None:
        """Make items of the uploads that an earlier run left whole."""
        for stage in self._staging:
            if stage.whole and not stage.finished and not stage.is_partial:
                try:
                    await self.look(stage.state.id)
                except (BallastError, OSError) as error:
                    logger.warning("an upload of an earlier run could not be finished: %s", error)

    async def sweep(self, now: float) -> None:
        """Remove uploads to which no byte came for so long, `now` being in seconds since 1970."""
        finished = sorted((stage for stage in self._staging if stage.finished), key=lambda stage: stage.touched_at)
        surplus = set(finished[: max(0, len(finished) - MAX_FINISHED)])
        for stage in self._staging:
            due = stage.touched_at + self.limits.expire_seconds <= now
            if (due or stage in surplus) and not self._locks.held(stage.state.id):
                await self._staging.remove(stage)

    async def _set_length(self, stage: Stage, length: int) -> None:
        check_size(length, self.limits.max_bytes)
        if length < stage.size_bytes:
            raise BadRequest("The upload already has more bytes than this Upload-Length.")
        assert stage.reservation is not None
        await stage.reservation.promise(length)
        stage.state.length = length
        await self._staging.save(stage)

    def _check_piece(self, stage: Stage, piece: Piece) -> None:
        if stage.is_final:
            raise Forbidden("This upload was joined from parts; no bytes can be added to it.")
        if piece.offset != stage.size_bytes:
            raise Conflict("The piece does not begin where the upload ends.", offset=stage.size_bytes)
        if piece.length is not None and stage.state.length not in (None, piece.length):
            raise BadRequest("Upload-Length differs from what was sent before.")
        length = stage.state.length if piece.length is None else piece.length
        check_size(piece.offset + (piece.declared_bytes or 0), self.limits.max_bytes if length is None else length)

    def _check_number(self) -> None:
        if self._staging.unfinished >= self.limits.max_resumable:
            raise QueueFull("Too many resumable uploads are unfinished.", retry_after_seconds=60)

    def _find_part(self, part_id: str) -> Stage:
        part = self._staging.find(part_id)
        if not part.is_partial:
            raise BadRequest("Upload-Concat names an upload that is not a partial one.")
        if not part.whole:
            raise BadRequest("Upload-Concat names a partial upload that is not finished.")
        return part

    def _view(self, stage: Stage) -> ResumableUpload:
        expires_at = datetime.fromtimestamp(stage.touched_at + self.limits.expire_seconds, UTC)
        state = stage.state
        return ResumableUpload(
            state.id, stage.size_bytes, state.length, state.metadata, state.concat, expires_at, state.media_id
        )
