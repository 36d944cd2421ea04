"""Writing the bytes of one request behind those that an upload has already."""

from __future__ import annotations

import hmac
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio

from app.domain.media import Chunk
from app.errors import BallastError, ChecksumMismatch, PayloadTooLarge, UnsupportedMedia
from app.media.sniff import HEAD_BYTES, sniff
from app.media.uploads import Uploads, unsupported
from app.storage.appender import Appender, Hash
from app.storage.stage import Stage, new_hash
from app.storage.staging import Staging

logger = logging.getLogger("ballast.uploads")

CHECKSUMS = ("sha1", "sha256", "md5")
"""Digests that a client may send with a piece; SHA-1 is the one that every tus server has to know."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the bytes of one piece must have: the name of a digest (`CHECKSUMS`) and its value."""

    algorithm: str
    value: bytes


class Receiver:
    """Writes pieces. What came is kept, also where the rest does not come; with a checksum it is all or nothing."""

    def __init__(self, staging: Staging, uploads: Uploads) -> None:
        self._staging = staging
        self._uploads = uploads

    async def receive(self, stage: Stage, chunks: AsyncIterator[Chunk], checksum: Checksum | None) -> None:
        """Write what comes; however that ends, the upload is then as long as what can be believed of its file.

        Raises:
            PayloadTooLarge: more bytes than there should be.
            UnsupportedMedia: it is no media; the upload is gone.
            ChecksumMismatch: the bytes are not those that were meant; none of them is kept.
            StorageFull: there is no room for them.
        """
        try:
            await self._receive(stage, chunks, checksum)
        except UnsupportedMedia:
            await self._staging.remove(stage)
            raise

    async def _receive(self, stage: Stage, chunks: AsyncIterator[Chunk], checksum: Checksum | None) -> None:
        digest = None if checksum is None else new_hash(checksum.algorithm)
        carried = None if digest is None or stage.sha256 is None else stage.sha256.copy()
        await self._hold(stage, None if digest is None else stage.size_bytes)
        appender = self._staging.appender(stage, [] if digest is None else [digest])
        believed = digest is None
        try:
            await self._write(stage, appender, chunks)
            await appender.sync()
            if digest is not None and checksum is not None:
                _compare(digest, checksum)
                believed = True
        finally:
            with anyio.CancelScope(shield=True):
                await self._close(stage, appender, believed=believed)
                if not believed:
                    stage.sha256 = carried
        await self._hold(stage, None)

    async def _write(self, stage: Stage, appender: Appender, chunks: AsyncIterator[Chunk]) -> None:
        recognised = stage.recognised or stage.is_partial
        head = bytearray() if recognised else bytearray(await self._staging.head(stage, HEAD_BYTES))
        limit = self._uploads.limits.max_bytes if stage.state.length is None else stage.state.length
        with self._uploads.tracked() as progress:
            async for chunk in chunks:
                progress.received_bytes += len(chunk)
                end = appender.size_bytes + len(chunk)
                if end > limit:
                    raise PayloadTooLarge(f"The upload is to have {limit} bytes.", limitBytes=limit)
                if not recognised:
                    head += chunk[: HEAD_BYTES - len(head)]
                    if len(head) >= HEAD_BYTES or end == stage.state.length:
                        recognise(bytes(head))
                        recognised = stage.recognised = True
                await appender.write(chunk)

    async def _close(self, stage: Stage, appender: Appender, *, believed: bool) -> None:
        """Write what is left, and say how far the upload has come."""
        try:
            if believed:
                await appender.sync()
        except (BallastError, OSError) as error:
            logger.warning("the last bytes of an upload could not be written: %s", error)
        await appender.aclose()
        await self._staging.set_size(stage, appender.written_bytes if believed else appender.start_bytes)

    async def _hold(self, stage: Stage, held_bytes: int | None) -> None:
        """Write down how many bytes a restart may believe, where not all: others are coming with a checksum."""
        before = stage.state.held_bytes
        if before == held_bytes:
            return
        stage.state.held_bytes = held_bytes
        try:
            await self._staging.save(stage)
        except BaseException:
            stage.state.held_bytes = before
            raise


def recognise(head: bytes) -> None:
    """Look at the first bytes.

    Raises:
        UnsupportedMedia: it is no media that is accepted.
    """
    if sniff(head) is None:
        raise unsupported()


def _compare(digest: Hash, checksum: Checksum) -> None:
    if not hmac.compare_digest(digest.digest(), checksum.value):
        raise ChecksumMismatch("The bytes are not those that the checksum was taken of. None of them was kept.")
