"""Which items must not be deleted now, and which are being deleted. Lives on the event loop: no locks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import Conflict, NotFound


class Pins:
    """Counts the users of each item; an item is either pinned or being deleted, never both."""

    def __init__(self) -> None:
        self._pinned: Counter[str] = Counter()
        self._leaving: set[str] = set()
        self._released = asyncio.Event()

    @contextmanager
    def hold(self, media_id: str) -> Iterator[None]:
        """Keep the item for the block.

        Raises:
            NotFound: it is being deleted.
        """
        if media_id in self._leaving:
            raise NotFound("There is no media item with this id.")
        self._pinned[media_id] += 1
        try:
            yield
        finally:
            self._pinned[media_id] -= 1
            if not self._pinned[media_id]:
                del self._pinned[media_id]
                self._released.set()

    async def free(self, media_id: str, patience_seconds: float) -> None:
        """Wait a while for those who need the item to let go of it: an answer just sent still holds it for a moment."""
        try:
            async with asyncio.timeout(patience_seconds):
                while media_id in self._pinned:
                    self._released.clear()
                    await self._released.wait()
        except TimeoutError:
            pass

    @contextmanager
    def leaving(self, media_id: str) -> Iterator[None]:
        """Mark the item as being deleted for the block.

        Raises:
            Conflict: somebody still needs it.
            NotFound: somebody else is deleting it.
        """
        if media_id in self._pinned:
            raise Conflict("The item is still being read or worked on. Try again when that has ended.")
        if media_id in self._leaving:
            raise NotFound("There is no media item with this id.")
        self._leaving.add(media_id)
        try:
            yield
        finally:
            self._leaving.discard(media_id)
