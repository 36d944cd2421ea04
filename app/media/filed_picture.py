"""A picture that lies in an open file: a child is passed the file, and the service reads the first bytes only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from app.derived.entries import BodyFile
from app.domain.units import KIB
from app.errors import InvalidMedia, UnsupportedMedia
from app.imaging.header import read_header
from app.imaging.picture_format import PictureHeader
from app.media.pictures import Picture, Pictures
from app.memory.customer import Customer
from app.memory.reservation import Reservation
from app.storage.threads import DiskThreads
from app.workers.channel import Head, Message

HEAD_BYTES = 64 * KIB
"""Enough but for the few pictures that have more metadata ahead of the first pixel (`read_header`)."""


class FiledPicture(Picture):
    """Its `data` is empty: it can only be rendered, for who looks for faces needs the bytes. It closes no file."""

    def __init__(
        self, file: BodyFile, header: PictureHeader, origin: str, pictures: Pictures, customer: Customer
    ) -> None:
        """`origin` names it, for good: a picture that children crash on is known by it."""
        self.data = b""
        self.customer = customer
        self._file = file
        self._header = header
        self._origin = origin
        self._pictures = pictures

    @property
    def size_bytes(self) -> int:
        return self._file.size_bytes

    @property
    def is_filed(self) -> bool:
        return True

    def read_header(self) -> PictureHeader:
        return self._header

    def message(self, head: Head, descriptors: tuple[int, ...]) -> Message:
        """See `Picture.message`; `"source"` says which of the descriptors has the picture."""
        found = {**head, "source": len(descriptors)}
        return Message(found, b"", (*descriptors, self._file.fd), self._origin.encode())

    def granted(self, parts: Mapping[str, int], owner: str) -> AbstractAsyncContextManager[Reservation]:
        return self._pictures.reserve(parts, owner, self.customer)

    async def put_aside(self) -> None:
        """It holds no memory."""


async def lay_open(
    file: BodyFile, origin: str, pictures: Pictures, disk: DiskThreads, client: str
) -> FiledPicture | None:
    """Return the picture in a file, if its first `HEAD_BYTES` tell all that is to be known of it.

    Raises:
        OSError: the file cannot be read.
        BallastError: see `MemoryBudget.reserve`.
    """
    customer = pictures.customer(client)
    async with pictures.reserve({"picture": HEAD_BYTES}, "picture", customer):
        head = await disk.read(os.pread, file.fd, HEAD_BYTES, 0)
        header = _told_by(head, file.size_bytes)
    return None if header is None else FiledPicture(file, header, origin, pictures, customer)


def _told_by(head: bytes, size_bytes: int) -> PictureHeader | None:
    try:
        header = read_header(head)
    except (InvalidMedia, UnsupportedMedia):  # the whole of it tells what is wrong with it, if anything is
        return None
    return header if size_bytes <= len(head) or header.format.is_told_by(head, header) else None
