"""The base of an image operation. An operation is one file in `operations/`, and has its place in `pipeline.ORDER`.

The API imports them all: their module level is light. Pillow comes in with `paint`, which only a child calls.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from app.domain.region import Region
from app.images.placement import Placement
from app.registry import discover

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True)
class Explained:
    """Stands in the `Annotated` type of a parameter: a line for people, and the form of a text (regular expression)."""

    text: str
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """The picture in work, as far as its memory goes: `channels` are 1 (grey), 3 or 4 (with alpha)."""

    width: int
    height: int
    channels: int

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def nbytes(self) -> int:
        """What it takes in Pillow's memory: colours have 4 bytes a pixel with alpha and without."""
        return self.pixels * (1 if self.channels == 1 else 4)


@dataclass(frozen=True, slots=True)
class Scene:
    """What an operation may want to know besides its parameters.

    `placement` is what is shown of the upright picture; `faces` are where they were found in that. `keeps_alpha`:
    whether the format of the answer can be transparent. `watermark` is a picture to lay on it.
    """

    placement: Placement
    faces: Sequence[Region] = ()
    keeps_alpha: bool = False
    watermark: Image.Image | None = None


class Operation(abc.ABC):
    """One thing that can be done to a picture.

    Attributes:
        name: one word, as `GET /v1/images/operations` tells it.
        summary: one line for people.
        Params: a frozen dataclass of the request's parameters, all with defaults that change nothing. Their names are
            those of the query in snake case, unique among all operations; `Annotated` with bounds of `annotated_types`
            and `Explained`.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    Params: ClassVar[type[Any]]

    @classmethod
    def is_wanted(cls, params: Any) -> bool:
        """Whether these parameters ask for anything."""
        return bool(params != cls.Params())

    @classmethod
    def settled(cls, params: Any) -> Any:
        """Return equal parameters in one form, so that equal wishes have equal keys.

        Raises:
            InvalidParameter: they contradict each other.
        """
        return params

    @classmethod
    def needs_faces(cls, params: Any) -> bool:  # noqa: ARG003 - part of the interface
        """Whether the faces in the picture must be known."""
        return False


class Framing(Operation):
    """Decides what is shown and how large; works on numbers, in the API process and again in the child."""

    @classmethod
    @abc.abstractmethod
    def frame(cls, params: Any, placement: Placement, faces: Sequence[Region]) -> Placement:
        """Return what is shown after it. `faces` are regions of the upright picture.

        Raises:
            InvalidParameter: it cannot be done with a picture of this size.
        """


class Painting(Operation):
    """Changes pixels."""

    @classmethod
    @abc.abstractmethod
    def peak_bytes(cls, params: Any, sheet: Sheet, scene: Scene) -> int:
        """Return what it holds at its peak, of the picture that it is given (`sheet`) and its result included."""

    @classmethod
    def result(cls, params: Any, sheet: Sheet, scene: Scene) -> Sheet:  # noqa: ARG003 - part of the interface
        """Return the size and the channels of what it makes of `sheet`."""
        return sheet

    @classmethod
    @abc.abstractmethod
    def paint(cls, params: Any, image: Image.Image, scene: Scene) -> Image.Image:
        """Return the changed picture: mode L, RGB or RGBA, 8 bits a channel, not premultiplied. Child side.

        `image` may be changed in place.
        """


def image_operations() -> dict[str, type[Operation]]:
    """Return every operation in `operations/` by name, in no particular order (`pipeline.ORDER` is that)."""
    return discover("app.images.operations", Operation)
