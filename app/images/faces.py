"""Who finds faces: the room of vision, put in by `bootstrap`; this one knows no models."""

from __future__ import annotations

from typing import Protocol

from app.domain.analysis_size import AnalysisSize
from app.domain.heads import Heads
from app.errors import ModelMissing
from app.media.pictures import Picture


class FaceFinder(Protocol):
    async def find(self, picture: Picture, box: AnalysisSize) -> Heads:
        """Return where faces are in an encoded picture: the whole head of each, in shares of the upright picture.

        It is looked at fitted into `box`, or into half of it where memory could never hold that. The memory of it is
        the finder's own affair: nothing is reserved for the rendering while it looks, and `picture.put_aside` may be
        called.

        Raises:
            ModelMissing: there is no model for it.
            BallastError: the picture is not accepted, or there is no memory for it.
        """
        ...


class NoFaceFinder:
    """Stands where there is none."""

    async def find(self, picture: Picture, box: AnalysisSize) -> Heads:  # noqa: ARG002 - part of the interface
        raise ModelMissing("No model that finds faces is installed here.")
