"""Who finds faces: the room of vision, put in by `bootstrap`; this one knows no models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.domain.region import Region
from app.errors import ModelMissing
from app.media.pictures import Picture


class FaceFinder(Protocol):
    async def find(self, picture: Picture) -> Sequence[Region]:
        """Return where faces are in an encoded picture: the whole head of each, in shares of the upright picture.

        The memory of it is the finder's own affair: nothing is reserved for the rendering while it looks, and
        `picture.put_aside` may be called.

        Raises:
            ModelMissing: there is no model for it.
            BallastError: the picture is not accepted, or there is no memory for it.
        """
        ...


class NoFaceFinder:
    """Stands where there is none."""

    async def find(self, picture: Picture) -> Sequence[Region]:  # noqa: ARG002 - part of the interface
        raise ModelMissing("No model that finds faces is installed here.")
