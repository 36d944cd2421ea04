"""What is known of a picture: by its header, and by a child that has looked at it small."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from pydantic import ValidationError

from app import __version__
from app.derived.cache import DerivedCache
from app.derived.flights import Flights
from app.domain.media import MediaKind
from app.domain.units import KIB
from app.errors import UnsupportedMedia, WorkerFailed
from app.images.derivation import SOURCE
from app.images.derived import Libraries
from app.images.schema import InfoSchema
from app.imaging.picture_format import PictureHeader
from app.media.pictures import Picture
from app.memory.cache import CacheKey

_NAME = hashlib.sha256(f"info 2, {__version__}".encode()).hexdigest()
_MAX_BYTES = 64 * KIB
_LOCATION = "GPSInfo"


class PictureInfos:
    """Finds it out, once for each stored picture."""

    def __init__(self, cache: DerivedCache, libraries: Libraries) -> None:
        self._cache = cache
        self._libraries = libraries
        self._flights = Flights[bytes]()

    async def of_picture(self, picture: Picture) -> InfoSchema:
        """Return all that is known of an encoded picture, its EXIF included.

        Raises:
            BallastError: see `Images.examine`.
        """
        size_bytes, header = picture.size_bytes, picture.read_header()
        async with AsyncExitStack() as until:
            rendered = await self._libraries.images.examine(picture, until)
            if rendered.facts.size_bytes > _MAX_BYTES:
                raise WorkerFailed("The worker's reply is broken.")
            told = b"".join([piece async for piece in rendered.chunks()])
        return _info(header, size_bytes, told)

    async def of_item(self, media_id: str, client: str) -> InfoSchema:
        """Return all that is known of a stored picture, its EXIF included.

        Raises:
            NotFound: there is no such item.
            UnsupportedMedia: it is no picture.
            PayloadTooLarge: it has more bytes than a picture may have.
            BallastError: see `Images.examine`.
        """
        key = CacheKey(SOURCE, media_id, _NAME)
        kept = self._cache.find_in_memory(key)
        if kept is not None:
            return InfoSchema.model_validate_json(kept.body)
        async with self._cache.find_in_file(key) as found:
            if found is not None and isinstance(found.body, bytes):
                return InfoSchema.model_validate_json(found.body)
        async with self._flights.join(key, partial(self._make, key, client)) as told:
            return InfoSchema.model_validate_json(told)

    @asynccontextmanager
    async def _make(self, key: CacheKey, client: str) -> AsyncIterator[bytes]:
        with self._libraries.store.pin(key.subject):
            item = await self._libraries.store.get(key.subject)
            if item.kind is not MediaKind.IMAGE:
                raise UnsupportedMedia("Only pictures are looked at.")
            async with self._libraries.sources.picture(item, client) as picture:
                told = (await self.of_picture(picture)).model_dump_json(by_alias=True).encode()
            await self._cache.keep(key, b"", told)
        yield told


def shown(info: InfoSchema, *, exif: bool, location: bool) -> InfoSchema:
    """Return what of it a client has asked for: EXIF, and the place where the picture was taken, only by name."""
    if not exif or info.exif is None:
        return info.model_copy(update={"exif": None})
    return info if location else info.model_copy(update={"exif": _without_place(info.exif)})


def _without_place(exif: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in exif.items() if name != _LOCATION}


def _info(header: PictureHeader, size_bytes: int, told: bytes) -> InfoSchema:
    """Return what a header and a child tell; the child's words are checked: it may have been taken over."""
    width, height = header.upright
    try:
        members = json.loads(told)
        profile = members["profile"]
        return InfoSchema(
            format=header.format.name,
            width=width,
            height=height,
            orientation=header.orientation,
            frames=members["frames"],
            has_alpha=members["hasAlpha"],
            color_space=_color_space(header, profile),
            color_profile=profile,
            size_bytes=size_bytes,
            dominant_color=members["dominantColor"],
            thumb_hash=members["thumbHash"],
            exif=members["exif"],
        )
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise WorkerFailed("The worker's reply is broken.") from error


def _color_space(header: PictureHeader, profile: str | None) -> str:
    has_alpha = header.format.has_alpha(header)
    if header.channels == 4 and not has_alpha:
        return "cmyk"
    if header.channels <= 2 and header.samples <= 1:
        return "gray"
    return "srgb" if profile is None or profile.startswith("sRGB") else "rgb"
