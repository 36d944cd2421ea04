"""Watermarks: stored pictures, opened for the child that lays them over others."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.domain.units import KIB
from app.errors import InvalidMedia, InvalidParameter, NotFound, UnsupportedMedia
from app.images.transform import Transform
from app.imaging.cost import check_pixels
from app.imaging.header import read_header
from app.imaging.picture_format import PictureHeader
from app.settings import ImageSettings
from app.storage.store import MediaStore
from app.storage.threads import DiskThreads

_HEAD_BYTES = 256 * KIB
"""As much of a watermark as is read for its header."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A watermark: its header, the bytes of its file, an open descriptor of it, and how wide it becomes (a share)."""

    header: PictureHeader
    size_bytes: int
    descriptor: int
    share: float


class Marks:
    """Opens the watermark that a transform names."""

    def __init__(self, store: MediaStore, disk: DiskThreads, settings: ImageSettings) -> None:
        self._store = store
        self._disk = disk
        self._settings = settings

    @asynccontextmanager
    async def opened(self, transform: Transform) -> AsyncIterator[Mark | None]:
        """Open it for the block; it cannot be deleted meanwhile. None where none is wanted.

        Raises:
            InvalidParameter: there is no such picture, or it cannot be used.
            TooManyPixels: it is too large.
            OSError: it cannot be read.
        """
        params = transform.params("watermark")
        if params is None:
            yield None
            return
        try:
            # Only what opens it is in the block: what the caller raises is its own.
            item = await self._store.get(params.watermark)
        except NotFound:
            raise InvalidParameter("watermark: there is no stored picture of this id.") from None
        if item.size_bytes > self._settings.max_bytes:
            raise InvalidParameter(f"watermark: a picture may have {self._settings.max_bytes} bytes.")
        async with (
            self._store.local_file(item.id) as path,
            self._disk.opened(path, os.O_RDONLY) as descriptor,
        ):
            header = await self._header(descriptor)
            check_pixels(header, None, self._settings.max_pixels)
            yield Mark(header, item.size_bytes, descriptor, params.watermark_scale)

    async def _header(self, descriptor: int) -> PictureHeader:
        try:
            return read_header(await self._disk.run(os.pread, descriptor, _HEAD_BYTES, 0))
        except (InvalidMedia, UnsupportedMedia):
            raise InvalidParameter("watermark: the media item of this id is not a picture that can be used.") from None
