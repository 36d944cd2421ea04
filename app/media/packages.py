"""A package: many files in one stored item, each of which can be answered by itself, as the segments of a film are.

It is a ZIP archive (PKWARE APPNOTE 6.3) without compression, so that it can also be downloaded and unpacked onto any web
server. As one item it is counted, pinned, kept in an object store and deleted as every other. The comment at its end is
JSON that tells where files are: of the few with names of their own directly, and of each *series* (`720p/00000.m4s`,
`720p/00001.m4s`, ...) where the directory's records of it begin, which all have the same length. So any file is found
with two short reads, however many there are.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.domain.media import MediaItem, MediaKind, MediaType
from app.errors import InvalidMedia, NotFound
from app.storage.backend import CHUNK_BYTES, MediaReader

HLS_PACKAGE = MediaType("application/vnd.ballast.hls+zip", MediaKind.OTHER, ".zip")
"""What an HLS job makes (a name of our own, RFC 6839 for `+zip`): `hls/master.m3u8` below the item plays it."""

MOST_COMMENT_BYTES = 8192
END = struct.Struct("<4s4H2LH")
END_SIGN = b"PK\x05\x06"
RECORD = struct.Struct("<4s6H3L5H2L")
LONG = struct.Struct("<2H3Q")
LOCAL = struct.Struct("<4s5H3L2H")

NAME = re.compile(r"(?P<folder>[a-z0-9]{1,16})/(?P<number>[0-9]{5,7})(?P<suffix>\.[a-z0-9]{1,4})|[a-z0-9/]{1,40}\.[a-z0-9]{1,4}")
"""What files in a package are called: nothing that could lead out of a folder."""

_CONTENT_TYPES = {".m3u8": "application/vnd.apple.mpegurl", ".m4s": "video/iso.segment", ".mp4": "video/mp4"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the bytes of a file in a package are."""

    offset: int
    size_bytes: int


class PackagedFile(MediaReader):
    """One file of a package, to be answered as if it were an item: its tag is the item's, with its own name."""

    def __init__(self, whole: MediaReader, name: str, place: Place) -> None:
        self.item = _as_item(whole.item, name, place.size_bytes)
        self._whole = whole
        self._offset = place.offset

    async def open(self) -> None:
        """Do nothing: the package is open."""

    def chunks(self, offset: int, length: int, chunk_bytes: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
        return self._whole.chunks(self._offset + offset, length, chunk_bytes)


async def open_packaged(whole: MediaReader, name: str) -> PackagedFile:
    """Find a file in an open package.

    Raises:
        NotFound: the item is no package, or has no file of this name.
        InvalidMedia: the package is broken.
        OSError: it cannot be read.
    """
    match = NAME.fullmatch(name)
    if whole.item.content_type != HLS_PACKAGE.content_type or match is None:
        raise _not_there()
    index = _read_index(await _bytes(whole, max(0, whole.item.size_bytes - MOST_COMMENT_BYTES), MOST_COMMENT_BYTES))
    try:
        place = await _place(whole, index, name, match)
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise InvalidMedia("The package is broken.") from error
    if not 0 <= place.offset <= place.offset + place.size_bytes <= whole.item.size_bytes:
        raise InvalidMedia("The package is broken.")
    return PackagedFile(whole, name, place)


async def _place(whole: MediaReader, index: Mapping[str, Any], name: str, match: re.Match[str]) -> Place:
    if name in index["files"]:
        offset, size_bytes = index["files"][name]
        return Place(int(offset), int(size_bytes))
    series = index["series"].get(f"{match['folder']}/{match['suffix']}") if match["folder"] else None
    if series is None or not int(match["number"]) < int(series["count"]):
        raise _not_there()
    if len(match["number"]) != int(series["digits"]):
        raise _not_there()
    length = int(series["recordBytes"])
    record = await _bytes(whole, int(series["offset"]) + int(match["number"]) * length, length)
    if record[RECORD.size : RECORD.size + len(name)] != name.encode():
        raise ValueError("the directory has another file there")
    _, _, size_bytes, _, offset = LONG.unpack_from(record, RECORD.size + len(name))
    return Place(offset + LOCAL.size + len(name), size_bytes)


def _read_index(tail: bytes) -> Mapping[str, Any]:
    at = tail.rfind(END_SIGN)
    try:
        found = json.loads(tail[at + END.size :]) if at >= 0 else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InvalidMedia("The package is broken.")
    return found


async def _bytes(whole: MediaReader, offset: int, length: int) -> bytes:
    length = min(length, whole.item.size_bytes - offset)
    if offset < 0 or length <= 0:
        raise InvalidMedia("The package is broken.")
    return b"".join([piece async for piece in whole.chunks(offset, length)])


def _as_item(package: MediaItem, name: str, size_bytes: int) -> MediaItem:
    suffix = name[name.rindex(".") :]
    content_type = _CONTENT_TYPES.get(suffix, "application/octet-stream")
    tag = f"{package.sha256 or package.id}-{name.replace('/', '-')}"
    return replace(package, sha256=tag, name=name.replace("/", "-"), content_type=content_type, size_bytes=size_bytes)


def _not_there() -> NotFound:
    return NotFound("There is no such file in this item.")
