"""Frames of stored videos, as files that wait on the disk."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from app.domain.media import MediaItem
from app.domain.priority import Priority
from app.errors import InvalidParameter, MemoryExceedsLimit, Overloaded, UnsupportedMedia
from app.ffmpeg.frame import FrameGrabber, frame_bytes
from app.ffmpeg.probe import DEMUXERS
from app.ffmpeg.shown import Search, searches
from app.memory.budget import MemoryBudget
from app.memory.reservation import Reservation
from app.storage.scratch import ScratchFile
from app.storage.store import MediaStore
from app.storage.threads import DiskThreads

_OWNER = "frame"
_UNKNOWN_SIZE = (1920, 1080)
"""Taken where no probe has told the size of a video."""


class VideoFrames:
    """Takes them, one ffmpeg at a time for each; its memory is reserved before it starts."""

    def __init__(
        self, grabber: FrameGrabber | None, budget: MemoryBudget, store: MediaStore, disk: DiskThreads
    ) -> None:
        """`grabber` is None where ffmpeg is not installed."""
        self._grabber = grabber
        self._budget = budget
        self._store = store
        self._disk = disk

    @asynccontextmanager
    async def frame(self, item: MediaItem, at_seconds: float, client: str) -> AsyncIterator[ScratchFile]:
        """Give the frame that is shown `at_seconds`, as a JPEG, for the block; the video cannot be deleted meanwhile.

        Raises:
            InvalidParameter: the video has no frame at that time.
            Overloaded: ffmpeg is not installed; or see `MemoryBudget.reserve`.
            BallastError: see `FrameGrabber.grab`, `MediaStore.local_file` and `Scratch.spool`.
        """
        if self._grabber is None:
            raise Overloaded("Frames of videos need ffmpeg, which is not installed here.")
        check_time(item, at_seconds)
        duration = item.details.duration_seconds
        async with (
            self._store.local_file(item.id) as video,
            self._store.scratch.spool(_OWNER, client) as file,
        ):
            for search in _searches(item, at_seconds):
                await self._grab(partial(self._grabber.grab, video, item.content_type, search, file.path), item, client)
                if size_bytes := await self._disk.run(os.path.getsize, file.path):
                    break
            else:
                raise _no_frame(duration)
            await file.count(size_bytes)
            yield file

    async def _grab(self, grab: Callable[[Reservation], Awaitable[None]], item: MediaItem, client: str) -> None:
        """Try with what a video of 8 bits takes, and where that is too little with what one of more takes."""
        details = item.details
        size = (details.width, details.height) if details.width and details.height else _UNKNOWN_SIZE
        for deep in (False, True):
            parts = {"decode": frame_bytes(*size, deep=deep)}
            pending = self._budget.reserve(parts, owner=_OWNER, priority=Priority.REQUEST, client=client)
            async with pending as holder:
                try:
                    await grab(holder)
                except MemoryExceedsLimit:
                    if deep:
                        raise
                else:
                    return


def check_time(item: MediaItem, at_seconds: float) -> None:
    """Make sure that a video goes on until a time, as far as is known; its last frame is shown to its end.

    Raises:
        InvalidParameter: it ends before.
    """
    duration = item.details.duration_seconds
    if duration is not None and at_seconds > duration:
        raise _no_frame(duration)


def _searches(item: MediaItem, at_seconds: float) -> Sequence[Search]:
    if item.content_type not in DEMUXERS:
        raise UnsupportedMedia("Only videos have frames.")
    return searches(item.content_type, at_seconds, item.details.duration_seconds)


def _no_frame(duration: float | None) -> InvalidParameter:
    known = "" if duration is None else f" It lasts {duration:g} seconds."
    return InvalidParameter(f"at: the video has no frame at that time.{known}")
