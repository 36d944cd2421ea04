from __future__ import annotations

import asyncio
import json
from typing import Any, cast

from app.domain.media import MediaKind, MediaPage
from app.media.delivery import Delivery
from app.media.listing import AT_A_TIME, Listing
from app.storage.store import MediaStore


class SlowStore:
    """Gives its page when it may, and counts how many are asked for at a time."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.asked = self.most = self.given = 0

    async def page(self, _limit: int, _cursor: str | None, _kind: MediaKind | None) -> MediaPage:
        self.asked += 1
        self.most = max(self.most, self.asked)
        await self.may_answer.wait()
        self.asked -= 1
        self.given += 1
        return MediaPage((), "next")


async def test_many_lists_at_once_are_made_two_at_a_time_so_that_others_have_their_turn() -> None:
    store = SlowStore()
    listing = Listing(cast(MediaStore, store), cast(Delivery, None))
    lists = [asyncio.create_task(listing.page(50, None, None)) for _ in range(8)]
    await asyncio.sleep(0.01)

    store.may_answer.set()
    pages: list[dict[str, Any]] = [json.loads(page) for page in await asyncio.gather(*lists)]

    assert pages == [{"items": [], "nextCursor": "next"}] * 8
    assert (store.most, store.given) == (AT_A_TIME, 8)
