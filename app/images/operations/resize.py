"""Make the picture as large as is wanted: inside a box, over it, padded to it, or stretched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from app.domain.region import Region
from app.errors import InvalidParameter
from app.images.operation import Explained, Framing
from app.images.placement import Placement, Size, whole_pixels

MAX_SIDE = 8192
"""The longest side of an answer, in pixels."""

_Side = Annotated[int, Ge(1), Le(MAX_SIDE)] | None
_Gravity = Literal[
    "center", "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest", "smart", "faces"
]


@dataclass(frozen=True, slots=True)
class ResizeParams:
    width: Annotated[_Side, Explained("Pixels of the answer; without it, by `height` and the ratio.")] = None
    height: Annotated[_Side, Explained("Pixels of the answer; without it, by `width` and the ratio.")] = None
    dpr: Annotated[
        Annotated[float, Ge(1), Le(4)], Explained("Pixels of the screen for one of the page: multiplies both sides.")
    ] = 1.0
    fit: Annotated[
        Literal["inside", "cover", "contain", "fill"],
        Explained(
            "`inside`: as large as fits in the box, ratio kept. `cover`: fills the box, cut by `gravity`. `contain`: "
            "`inside`, and the box filled up with `background`. `fill`: stretched."
        ),
    ] = "inside"
    gravity: Annotated[
        _Gravity,
        Explained(
            "Which part `cover` keeps; `smart`: where most detail is, `faces`: the faces, and `smart` where none is."
        ),
    ] = "center"
    enlarge: Annotated[bool, Explained("Whether a small picture is enlarged to the box.")] = False


class Resize(Framing):
    name = "resize"
    summary = "make the picture fit a box"
    Params = ResizeParams

    @classmethod
    def settled(cls, params: Any) -> Any:
        """See `Operation.settled`: `dpr` goes into the sides, and what makes no difference is forgotten."""
        if params.width is None and params.height is None:
            return ResizeParams()
        sides = {name: _multiplied(name, getattr(params, name), params.dpr) for name in ("width", "height")}
        params = replace(params, **sides, dpr=1.0)
        if params.width is None or params.height is None:
            params = replace(params, fit="inside")  # a box with one side has no ratio of its own
        return params if params.fit == "cover" else replace(params, gravity="center")

    @classmethod
    def needs_faces(cls, params: Any) -> bool:
        return bool(params.gravity == "faces")

    @classmethod
    def frame(cls, params: Any, placement: Placement, faces: Sequence[Region]) -> Placement:
        """See `Framing.frame`. Unless it is enlarged, a picture that is smaller than the box keeps its pixels.

        `cover` of a small picture then has the ratio of the box, and is as large as the picture allows.
        """
        own = placement.exact_size
        box = (params.width or MAX_SIDE, params.height or MAX_SIDE)
        if params.fit == "fill":
            size = box if params.enlarge else (min(box[0], placement.size[0]), min(box[1], placement.size[1]))
            return placement.sized(size)
        if params.fit == "cover":
            return _covered(placement, _reduced_box(params, own, box), params.gravity, faces)
        scale = min(
            params.width / own[0] if params.width else float("inf"),
            params.height / own[1] if params.height else float("inf"),
        )
        scale = scale if params.enlarge else min(1.0, scale)
        size = whole_pixels((own[0] * scale, own[1] * scale))
        size = min(size[0], box[0]), min(size[1], box[1])
        return placement.sized(size, box if params.fit == "contain" else None)


def _multiplied(name: str, side: int | None, dpr: float) -> int | None:
    if side is None:
        return None
    multiplied = round(side * dpr)
    if multiplied > MAX_SIDE:
        raise InvalidParameter(f"{name}: {side} times dpr {dpr:g} is more than {MAX_SIDE} pixels.")
    return multiplied


def _reduced_box(params: Any, own: tuple[float, float], box: Size) -> Size:
    """Return the box that is to be filled: of the same ratio, no larger than the picture if it must not be enlarged."""
    scale = 1.0 if params.enlarge else min(1.0, own[0] / box[0], own[1] / box[1])
    return whole_pixels((box[0] * scale, box[1] * scale))


def _covered(placement: Placement, size: Size, gravity: str, faces: Sequence[Region]) -> Placement:
    """Return the view of the largest part that has the ratio of `size`, where gravity pulls it."""
    cut = replace(placement.sized(size), cut_to=size[0] / size[1])
    part = cut.part
    seen = [placement.seen(face) for face in faces]
    if gravity == "faces" and (shown := [face for face in seen if _is_in_sight(face)]):
        return placement.cut(_around(shown, part)).sized(size)
    if gravity in ("smart", "faces"):
        return cut
    x = 1.0 if "east" in gravity else 0.0 if "west" in gravity else 0.5
    y = 1.0 if "south" in gravity else 0.0 if "north" in gravity else 0.5
    return placement.cut(Region((1 - part[0]) * x, (1 - part[1]) * y, *part)).sized(size)


def _is_in_sight(face: Region) -> bool:
    return 0 <= face.centre[0] <= 1 and 0 <= face.centre[1] <= 1


def _around(faces: Sequence[Region], part: tuple[float, float]) -> Region:
    """Return a part of this size around all faces; where it cannot hold them all, around the largest ones."""
    kept = sorted(faces, key=lambda face: face.width * face.height, reverse=True)
    while True:
        left, right = min(face.x for face in kept), max(face.right for face in kept)
        top, bottom = min(face.y for face in kept), max(face.bottom for face in kept)
        if len(kept) == 1 or (right - left <= part[0] and bottom - top <= part[1]):
            break
        kept.pop()
    x = min(max(0.0, (left + right - part[0]) / 2), 1 - part[0])
    y = min(max(0.0, (top + bottom - part[1]) / 2), 1 - part[1])
    return Region(x, y, *part)
