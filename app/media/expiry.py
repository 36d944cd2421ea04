"""What is removed by itself: items past their lifetime, and resumable uploads that nobody continues."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta

from app.errors import BallastError, Conflict, NotFound
from app.media.resumable import Resumable
from app.rounds import Work, go_round
from app.storage import ids
from app.storage.store import MediaStore

logger = logging.getLogger("ballast.expiry")

_PAGE_ITEMS = 100
_LONGEST_SECONDS = 60.0
_SHORTEST_SECONDS = 0.5

_ORPHANS_SECONDS = 3600.0
"""How often the store looks for what broken commits left: that lists everything."""


class Expiry:
    """Sweeps in the background. `ttl_seconds` is the age at which an item is deleted, 0: never."""

    def __init__(self, store: MediaStore, resumable: Resumable, ttl_seconds: float) -> None:
        self._store = store
        self._resumable = resumable
        self._ttl_seconds = ttl_seconds
        self._orphans_due = time.monotonic() + _ORPHANS_SECONDS  # the store swept when it was opened
        self._has_finished_left = False
        limits = resumable.limits
        shortest = min(ttl_seconds or _LONGEST_SECONDS * 10, limits.expire_seconds, limits.begin_seconds)
        self._period_seconds = min(_LONGEST_SECONDS, max(_SHORTEST_SECONDS, shortest / 10))

    async def run(self) -> None:
        """Finish what an earlier run left whole, then sweep until cancelled.

        What fails, such as in a store that cannot be reached now, is logged and done again in the next round.
        """
        works: dict[str, Work] = {
            "finishing what an earlier run left": self._finish_left,
            "the sweep of items": lambda: self.sweep_items(datetime.now(UTC)),
            "the sweep of uploads": self._resumable.sweep,
            "the sweep of orphans": lambda: self.sweep_orphans(time.monotonic()),
            "the count of temporary files": self._store.temp_files.measure,  # the quota counts what jobs are writing
        }
        await go_round(works, lambda: self._period_seconds, logger)

    async def sweep_items(self, now: datetime) -> int:
        """Delete the items that are past their lifetime, and return how many; pinned ones are left for later.

        An id tells when its item was made: only items that are due are read.
        """
        if not self._ttl_seconds:
            return 0
        removed = 0
        cursor: str | None = ids.cursor_at(now - timedelta(seconds=self._ttl_seconds))
        while cursor is not None:
            page = await self._store.page(_PAGE_ITEMS, cursor)
            for item in page.items:
                removed += await self._delete(item.id)
            cursor = page.next_cursor
        if removed:
            logger.info("removed media items past their lifetime", extra={"count": removed})
        return removed

    async def sweep_orphans(self, now: float) -> None:
        """Have the store remove what broken commits left, if it is an hour since the last time (`time.monotonic`)."""
        if now >= self._orphans_due:
            self._orphans_due = now + _ORPHANS_SECONDS
            await self._store.sweep()

    async def _finish_left(self) -> None:
        if not self._has_finished_left:
            await self._resumable.finish_left()
            self._has_finished_left = True

    async def _delete(self, media_id: str) -> bool:
        try:
            await self._store.delete(media_id)
        except (Conflict, NotFound):
            return False
        except (BallastError, OSError) as error:  # it must not keep those behind it for ever
            logger.warning("an item past its lifetime could not be removed: %s", error, extra={"mediaId": media_id})
            return False
        return True
