"""Frames of stored videos, as files that wait on the disk."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial

from app.domain.media import MediaItem
from app.domain.priority import Priority
from app.errors import InvalidParameter, MemoryExceedsLimit, Overloaded
from app.ffmpeg.frame import FrameGrabber, frame_bytes
from app.memory.budget import MemoryBudget
from app.memory.reservation import Reservation
from app.storage.scratch import ScratchFile
from app.storage.store import MediaStore
from app.storage.threads import DiskThreads

_OWNER = "frame"
_UNKNOWN_SIZE = (1920, 1080)
"""Taken where no probe has told the size of a video."""


_LAST_FRAMES, _USUAL_RATE = 1.5, 25.0
_BACK_SECONDS = (0.25, 1.0, 4.0)
"""How far before the end the last frame may be: its own length, or more where the sound goes on for longer."""


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
        duration = item.details.duration_seconds
        if duration is not None and at_seconds > duration:
            raise _no_frame(duration)
        async with (
            self._store.local_file(item.id) as video,
            self._store.scratch.spool(_OWNER, client) as file,
        ):
            for seconds in _looked_at(at_seconds, duration, item.details.frame_rate):
                await self._grab(
                    partial(self._grabber.grab, video, item.content_type, seconds, file.path), item, client
                )
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


def _looked_at(at_seconds: float, duration: float | None, frame_rate: float | None) -> Iterator[float]:
    """Yield the times at which a frame is looked for: ffmpeg gives the first one from a time on.

    From the last frame on there is none, though it is shown until the end: then it is looked for before that.
    """
    yield at_seconds
    if duration is None:
        return
    yield max(0.0, duration - _LAST_FRAMES / (frame_rate or _USUAL_RATE))
    yield from (at_seconds - back for back in _BACK_SECONDS if back < at_seconds)


def _no_frame(duration: float | None) -> InvalidParameter:
    known = "" if duration is None else f" It lasts {duration:g} seconds."
    return InvalidParameter(f"at: the video has no frame at that time.{known}")
