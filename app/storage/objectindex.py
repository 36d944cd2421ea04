"""What is in a bucket, read from its keys: they sort by kind and then newest first, so a list is a prefix."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from app.domain.media import MediaKind
from app.storage import ids, metadata

if TYPE_CHECKING:
    from app.storage.objects import ObjectBucket, StoredObject

logger = logging.getLogger("ballast.storage")

ORPHAN_SECONDS = 3600
"""Age from which an object without metadata counts as left behind: until then, another service may be committing it."""


@dataclass(slots=True)
class ItemObjects:
    """The objects of one item in the bucket; both are there, or it is not whole."""

    media_id: str
    content: StoredObject | None = None
    described: StoredObject | None = None

    @property
    def is_whole(self) -> bool:
        return self.content is not None and self.described is not None


class ObjectIndex:
    """Lists the items of a bucket. Keys that are not ours are ignored."""

    def __init__(self, bucket: ObjectBucket, orphan_seconds: float = ORPHAN_SECONDS) -> None:
        self._bucket = bucket
        self._orphan_seconds = orphan_seconds

    async def newest(self, kinds: tuple[MediaKind, ...], cursor: str | None, count: int) -> list[str]:
        """Return up to `count` ids of these kinds, newest first, after `cursor`.

        Raises:
            InvalidParameter: it is not one of our cursors.
            StorageUnavailable: the store did not give them.
        """
        if cursor is not None:
            ids.bucket_of_cursor(cursor)
        found = await asyncio.gather(*(self._newest_of(kind, cursor, count) for kind in kinds))
        return sorted(chain.from_iterable(found), key=ids.cursor_after)[:count]

    async def items(self, kind: MediaKind) -> AsyncIterator[ItemObjects]:
        """Give everything of one kind, item by item: their keys are neighbours.

        Raises:
            StorageUnavailable: the store did not give them.
        """
        item: ItemObjects | None = None
        async for stored in self._bucket.list(f"media/{kind}"):
            media_id, suffix = _parse(stored.key)
            if media_id is None:
                continue
            if item is None or item.media_id != media_id:
                if item is not None:
                    yield item
                item = ItemObjects(media_id)
            if suffix == metadata.SUFFIX:
                item.described = stored
            else:
                item.content = stored
        if item is not None:
            yield item

    async def sweep(self, item: ItemObjects) -> int:
        """Remove what is left of an item that is not whole, if it is old; return how many objects that were.

        Raises:
            StorageUnavailable: the store did not do it.
        """
        if item.is_whole:
            return 0
        old = datetime.now(UTC) - timedelta(seconds=self._orphan_seconds)
        left = [found for found in (item.described, item.content) if found is not None and found.modified_at < old]
        for found in left:
            await self._bucket.delete(found.key)
            logger.warning("removed an unfinished media item from the bucket", extra={"key": found.key})
        return len(left)

    async def _newest_of(self, kind: MediaKind, cursor: str | None, count: int) -> list[str]:
        # After the id, a key goes on with a dot: "0" sorts after that, and before every later id.
        after = None if cursor is None else metadata.path_of(f"{kind[0]}{cursor}").removesuffix(metadata.SUFFIX) + "0"
        found: list[str] = []
        async for stored in self._bucket.list(f"media/{kind}", after):
            media_id, suffix = _parse(stored.key)
            if media_id is not None and suffix == metadata.SUFFIX:
                found.append(media_id)
                if len(found) == count:
                    break
        return found


def _parse(key: str) -> tuple[str | None, str]:
    """Return the id and the suffix in a key; no id where the key is not ours."""
    path = PurePosixPath(key)
    return (path.stem if ids.is_id(path.stem) else None), path.suffix
