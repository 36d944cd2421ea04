"""Lists of media items as JSON."""

from __future__ import annotations

import asyncio

from app.domain.media import MediaKind
from app.media.delivery import Delivery
from app.media.schema import MediaItemSchema, MediaList
from app.storage.store import MediaStore

AT_A_TIME = 2
"""Lists that are made at a time. Each is some milliseconds of work on the event loop, so many of them at once would
keep uploads waiting between any two of their steps (8 listers: 120 ms for an upload that takes 4)."""


class Listing:
    """Lists what is stored, a page at a time."""

    def __init__(self, store: MediaStore, delivery: Delivery) -> None:
        self._store = store
        self._delivery = delivery
        self._turns = asyncio.Semaphore(AT_A_TIME)

    async def page(self, limit: int, cursor: str | None, kind: MediaKind | None) -> bytes:
        """Return the JSON (`MediaList`) of up to `limit` items, newest first, after `cursor`.

        Raises:
            InvalidParameter: it is not one of our cursors.
            StorageUnavailable: the store did not give them.
        """
        async with self._turns:
            page = await self._store.page(limit, cursor, kind)
            items = [MediaItemSchema(**self._delivery.describe(item)) for item in page.items]
            await asyncio.sleep(0)  # let others have their turn in between
            return MediaList(items=items, next_cursor=page.next_cursor).model_dump_json(by_alias=True).encode()
