"""Which package is played below an item: its own bytes, or the newest package that a job has made from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from app.errors import NotFound
from app.media.packages import HLS_PACKAGE
from app.storage.backend import MediaReader
from app.storage.store import MediaStore

MadeFrom = Callable[[str], Awaitable[Sequence[str]]]
"""Returns the ids of the packages that were made from an item, the newest first; some may be deleted by now."""


class Streams:
    """Opens packages."""

    def __init__(self, store: MediaStore) -> None:
        self._store = store
        self._made_from: list[MadeFrom] = []

    def follow(self, made_from: MadeFrom) -> None:
        """Have this asked for the packages of an item that is none itself."""
        self._made_from.append(made_from)

    @asynccontextmanager
    async def open(self, media_id: str) -> AsyncIterator[MediaReader]:
        """Open the package that is played below an item, for the block.

        Raises:
            NotFound: there is no such item, or nothing to be played.
            StorageUnavailable, OSError: it cannot be read.
        """
        async with self._store.reader(media_id) as reader:
            if reader.item.content_type == HLS_PACKAGE.content_type:
                yield reader
                return
        async with self._store.reader(await self._newest(media_id)) as reader:
            yield reader

    async def _newest(self, media_id: str) -> str:
        for made_from in self._made_from:
            for package_id in await made_from(media_id):
                try:
                    return (await self._store.get(package_id)).id
                except NotFound:
                    continue  # it was deleted: the one before is played
        raise NotFound("There is nothing of this item that could be played.")
