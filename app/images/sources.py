"""The picture that a derived one is made of: a stored item, or a frame of a stored video."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.derived.entries import BodyFile
from app.domain.media import MediaItem
from app.errors import PayloadTooLarge
from app.images.frames import VideoFrames
from app.images.pieces import pieces
from app.media.filed_picture import lay_open
from app.media.pictures import Picture, Pictures
from app.storage.store import MediaStore
from app.storage.threads import DiskThreads


class Sources:
    """Lends them."""

    def __init__(
        self, store: MediaStore, frames: VideoFrames, pictures: Pictures, disk: DiskThreads, max_bytes: int
    ) -> None:
        self._store = store
        self._frames = frames
        self._pictures = pictures
        self._disk = disk
        self._max_bytes = max_bytes

    @asynccontextmanager
    async def picture(self, item: MediaItem, client: str, *, whole: bool = False) -> AsyncIterator[Picture]:
        """Lend a stored picture, which is pinned. What lies in a file here goes to a child as that file.

        `whole`: its bytes are wanted here, for others than the imaging children.

        Raises:
            PayloadTooLarge: it has more bytes than a picture may have.
            BallastError: see `MediaStore.reader` and `Pictures.receive`.
        """
        if item.size_bytes > self._max_bytes:
            raise PayloadTooLarge(
                f"A picture may have {self._max_bytes} bytes.", maxBytes=self._max_bytes, sizeBytes=item.size_bytes
            )
        if (path := self._store.local_path(item)) is None:
            async with (
                self._store.reader(item.id) as reader,
                self._pictures.receive(reader.chunks(0, item.size_bytes), self._max_bytes, client) as received,
            ):
                yield received
            return
        async with (
            self._disk.opened(path, os.O_RDONLY) as descriptor,
            self._filed(BodyFile(descriptor, item.size_bytes), item.sha256 or item.id, client, whole=whole) as picture,
        ):
            yield picture

    @asynccontextmanager
    async def frame(
        self, item: MediaItem, at_seconds: float, client: str, *, whole: bool = False
    ) -> AsyncIterator[Picture]:
        """Lend the frame of a stored video that is shown at this time; `whole` as in `picture`.

        Raises:
            BallastError: see `VideoFrames.frame` and `Pictures.receive`.
        """
        async with (
            self._frames.frame(item, at_seconds, client) as grabbed,
            self._disk.opened(grabbed.path, os.O_RDONLY) as descriptor,
        ):
            file = BodyFile(descriptor, grabbed.size_bytes)
            async with self._filed(file, f"{item.id} {at_seconds}", client, whole=whole) as picture:
                yield picture

    @asynccontextmanager
    async def _filed(self, file: BodyFile, origin: str, client: str, *, whole: bool) -> AsyncIterator[Picture]:
        filed = None if whole else await lay_open(file, origin, self._pictures, self._disk, client)
        if filed is not None:
            yield filed
            return
        async with self._pictures.receive(pieces(file, self._disk), self._max_bytes, client) as received:
            yield received
