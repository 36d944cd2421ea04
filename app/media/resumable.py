"""Uploads in many requests, which go on after a broken connection or a restart; the last byte makes a media item.

What belongs to HTTP (tus 1.0.0) is in `media/tus.py`; here is what an upload may do and when.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import anyio

from app.errors import BadRequest, BallastError, Conflict, Forbidden, UnsupportedMedia
from app.media.assembly import Assembly
from app.media.locks import UploadLocks
from app.media.parts import find_part, joined_before
from app.media.pieces import Creation, Piece, ResumableUpload
from app.media.shares import UploadShares
from app.media.transfers import UPLOAD, Transfers
from app.media.uploads import check_size
from app.settings import UploadSettings
from app.storage.stage import FINAL, PARTIAL, Stage
from app.storage.staging import Staging

logger = logging.getLogger("ballast.uploads")

_JOINED_LINGER_SECONDS = 600.0
"""How long the parts stay once they have been joined: the answer may get lost, and the client ask again."""


class Resumable:
    """Enforces the rules of resumable uploads. One request at a time works on each of them."""

    def __init__(
        self,
        staging: Staging,
        assembly: Assembly,
        transfers: Transfers,
        locks: UploadLocks,
        shares: UploadShares,
        limits: UploadSettings,
    ) -> None:
        self._staging = staging
        self._assembly = assembly
        self._transfers = transfers
        self._locks = locks
        self._shares = shares
        self.limits = limits

    async def create(self, creation: Creation, first: Piece | None = None) -> ResumableUpload:
        """Begin an upload, and append its `first` piece if there is one.

        It must fit on the disk now, but no space is promised to it before its bytes come. Where the first piece fails,
        nothing is left: the client knows no URL yet.

        Raises:
            PayloadTooLarge: it would be larger than an upload may be.
            UnsupportedMedia: it would be empty.
            QueueFull: too many are unfinished, or too many of this client.
            Overloaded: memory has no room for what is to be known of it.
            StorageFull: there is no room for it.
            BallastError: see `append`.
        """
        check_size(creation.length or 0, self.limits.max_bytes)
        if creation.length == 0 and not creation.partial:
            raise UnsupportedMedia("The file is empty; send an image, a video or an audio file.")
        self._shares.check(self._staging, creation.client)
        stage = await self._staging.create(creation.state(PARTIAL if creation.partial else "", creation.length))
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
            await self._complete(stage)
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
                await self._complete(stage)
        return self._view(stage)

    async def join(self, part_ids: Sequence[str], creation: Creation) -> ResumableUpload:
        """Make one upload of the bytes of others, each named once, in this order.

        They stay for a while: who asks again, because the answer was lost, gets the same upload.

        Raises:
            NotFound: there is no such part.
            BadRequest: one is not a part, or not finished.
            Conflict: one has become part of another upload.
            Locked: another request works on one of them.
            PayloadTooLarge, UnsupportedMedia, QueueFull, Overloaded, StorageFull: as for other uploads.
        """
        async with AsyncExitStack() as stack:
            for part_id in sorted(part_ids):
                self._staging.find(part_id)
                await stack.enter_async_context(self._locks.hold(part_id))
            parts = [find_part(self._staging, part_id) for part_id in part_ids]
            if (whole_id := joined_before(self._staging, parts)) is not None:
                return await self.look(whole_id)
            length = sum(part.size_bytes for part in parts)
            check_size(length, self.limits.max_bytes)
            await self._assembly.recognise(parts)
            await stack.enter_async_context(self._transfers.admit(UPLOAD, creation.client))
            self._shares.check(self._staging, creation.client)
            whole = await self._staging.create(creation.state(FINAL, length, "".join(part_ids)))
            await stack.enter_async_context(self._locks.hold(whole.state.id))
            await self._assembly.join(parts, whole)
            for part in parts:
                part.joined_into = whole.state.id
                spent_seconds = max(0.0, self.limits.expire_seconds - _JOINED_LINGER_SECONDS)
                part.touched_at = self._staging.now() - spent_seconds
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

    async def sweep(self) -> None:
        """Remove uploads to which no byte came for so long, and finished ones beyond those that are remembered."""
        surplus = set(self._shares.surplus(self._staging))
        for stage in self._staging:
            if (self._seconds_left(stage) <= 0 or stage in surplus) and not self._locks.held(stage.state.id):
                await self._staging.remove(stage)
        await self._staging.keep_ages()

    async def _set_length(self, stage: Stage, length: int) -> None:
        check_size(length, self.limits.max_bytes)
        if length < stage.size_bytes:
            raise BadRequest("The upload already has more bytes than this Upload-Length.")
        await self._staging.check_room(stage, length)
        stage.state.length = length
        await self._staging.save(stage)

    async def _complete(self, stage: Stage) -> None:
        await self._assembly.complete(stage)
        for one in self._shares.surplus(self._staging):
            if one is not stage and not self._locks.held(one.state.id):
                await self._staging.remove(one)

    def _check_piece(self, stage: Stage, piece: Piece) -> None:
        if stage.is_final:
            raise Forbidden("This upload was joined from parts; no bytes can be added to it.")
        if piece.offset != stage.size_bytes:
            raise Conflict("The piece does not begin where the upload ends.", offset=stage.size_bytes)
        if piece.length is not None and stage.state.length not in (None, piece.length):
            raise BadRequest("Upload-Length differs from what was sent before.")
        length = stage.state.length if piece.length is None else piece.length
        check_size(piece.offset + (piece.declared_bytes or 0), self.limits.max_bytes if length is None else length)

    def _seconds_left(self, stage: Stage) -> float:
        limits = self.limits
        waits_for_bytes = not stage.finished and not stage.size_bytes
        lifetime = min(limits.begin_seconds, limits.expire_seconds) if waits_for_bytes else limits.expire_seconds
        return stage.touched_at + lifetime - self._staging.now()

    def _view(self, stage: Stage) -> ResumableUpload:
        state = stage.state
        return ResumableUpload(
            id=state.id,
            offset=stage.size_bytes,
            length=state.length,
            metadata=state.metadata,
            concat=state.concat,
            part_ids=state.part_ids,
            expires_at=datetime.now(UTC) + timedelta(seconds=self._seconds_left(stage)),
            media_id=state.media_id,
        )
