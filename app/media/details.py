"""What is found out about media when it is stored: a picture's size by its header, the rest by a probe in a child."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

from app.domain.media import MediaDetails, MediaKind, MediaType
from app.domain.priority import Priority
from app.domain.units import KIB
from app.errors import BallastError, InvalidMedia, Overloaded, ProcessingTimeout, UnsupportedMedia, WorkerFailed
from app.ffmpeg.probe import PROBE_BYTES, Prober
from app.imaging.header import read_header
from app.memory.budget import MemoryBudget
from app.memory.cpus import available_cpus
from app.memory.reclaim import ReclaimRegistry
from app.memory.reservation import Reservation

logger = logging.getLogger("ballast.details")

PICTURE_HEAD_BYTES = 64 * KIB
"""As many of the first bytes as `read_header` needs."""

Inspect: TypeAlias = Callable[[MediaType, bytes, Path], Awaitable[MediaDetails]]
"""Finds out the details of a whole file, of which the first `PICTURE_HEAD_BYTES` are given."""


class Details:
    """Finds out the details of what came in. Those that cannot be found out stay unknown: no upload fails for that.

    `is_able` says whether more than pictures can be looked at.
    """

    def __init__(
        self,
        prober: Prober | None,
        budget: MemoryBudget,
        reclaim: ReclaimRegistry,
        patience_seconds: float,
    ) -> None:
        """`prober` is None where ffprobe is not installed; `patience_seconds`: how long an upload waits for a probe."""
        self.is_able = prober is not None
        self.patience_seconds = patience_seconds
        self._prober = prober
        self._budget = budget
        self._reclaim = reclaim
        self._is_slow = False
        self._concurrency = asyncio.Semaphore(available_cpus())

    async def inspect(self, media_type: MediaType, head: bytes, path: Path) -> MediaDetails:
        """Return the details of a whole file, whose first `PICTURE_HEAD_BYTES` are `head`.

        They are pending where there is no memory for a probe now, or it takes long: then those who come after do not
        wait for theirs either, until one was quick again.
        """
        if media_type.kind is MediaKind.IMAGE or self._prober is None:
            return await by_header(media_type, head, path)
        if self._is_slow:
            return MediaDetails(pending=True)
        try:
            async with asyncio.timeout(self.patience_seconds), self._concurrency:
                reservation = await self._reserve()
                if reservation is None:
                    return MediaDetails(pending=True)
                try:
                    return await self._probe(self._prober, path, media_type.content_type, reservation)
                finally:
                    reservation.release()
        except (TimeoutError, ProcessingTimeout, WorkerFailed, Overloaded):
            self._is_slow = True
            return MediaDetails(pending=True)

    async def find_out(self, content_type: str, path: Path) -> MediaDetails:
        """Return the details of stored media, however long that takes: whoever calls holds nothing meanwhile.

        Raises:
            MemoryExceedsLimit: there can never be memory for a probe.
            Overloaded, QueueFull: there was none in time.
            ProcessingTimeout, WorkerFailed: the probe hung, or could not be started.
        """
        assert self._prober is not None
        began = time.monotonic()
        reserve = self._budget.reserve({"probe": PROBE_BYTES}, owner="probe", priority=Priority.BATCH)
        async with reserve as reservation:
            details = await self._probe(self._prober, path, content_type, reservation)
        if time.monotonic() - began < self.patience_seconds:
            self._is_slow = False
        return details

    async def _reserve(self) -> Reservation | None:
        """Take the bytes if they are free, or if idle holders give way.

        Never waits for others: the upload holds bytes already, and nothing waits while it holds.
        """
        parts = {"probe": PROBE_BYTES}
        reservation = self._budget.try_reserve(parts, owner="probe", priority=Priority.REQUEST)
        if reservation is None:
            await self._reclaim.reclaim(PROBE_BYTES)
            reservation = self._budget.try_reserve(parts, owner="probe", priority=Priority.REQUEST)
        return reservation

    async def _probe(self, prober: Prober, path: Path, content_type: str, reservation: Reservation) -> MediaDetails:
        try:
            return (await prober.probe(path, content_type, reservation)).details
        except (ProcessingTimeout, WorkerFailed, Overloaded):
            raise
        except BallastError as error:
            logger.info("a file could not be probed", extra={"contentType": content_type, "code": error.code})
            return MediaDetails()


async def by_header(media_type: MediaType, head: bytes, _path: Path) -> MediaDetails:
    """Return what a picture's header says; nothing where it is broken, or longer than `PICTURE_HEAD_BYTES`."""
    if media_type.kind is not MediaKind.IMAGE:
        return MediaDetails()
    try:
        header = read_header(head)
    except (InvalidMedia, UnsupportedMedia):
        return MediaDetails()
    if header.orientation >= 5:  # EXIF 2.32, tag 274: from 5 on the picture lies on its side
        return MediaDetails(width=header.height, height=header.width)
    return MediaDetails(width=header.width, height=header.height)
