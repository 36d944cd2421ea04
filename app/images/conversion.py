"""The last step: in which format a picture is answered. Names only; the encoders are in `imaging/encoders.py`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from annotated_types import Ge, Le

from app.errors import InvalidParameter
from app.images.operation import Explained
from app.imaging.picture_format import PictureHeader

OutputFormat = Literal["jpeg", "png", "webp", "avif"]

CONTENT_TYPES: dict[str, str] = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "avif": "image/avif",
}
"""By the names of formats that are written."""

KEEPS_ALPHA = frozenset(("png", "webp", "avif"))
_LOSSLESS = frozenset(("webp", "avif"))
_NEGOTIATED = ("avif", "webp")
"""What `auto` answers where the client says that it takes it, the smaller one at equal quality first."""

_INSTEAD = {"heic": "jpeg", "tiff": "jpeg", "bmp": "jpeg", "gif": "png"}
"""What a source becomes whose format is not written. A GIF is a palette with holes: PNG keeps both."""

_WEIGHT = re.compile(r"(0(\.[0-9]{0,3})?|1(\.0{0,3})?)", re.ASCII)

_ANIMATED = frozenset(("gif", "webp"))


@dataclass(frozen=True, slots=True)
class Conversion:
    """Parameters of the last step. `accepted` is the format that `auto` means; empty: JPEG or PNG, by the pixels."""

    format: Annotated[
        Literal["jpeg", "png", "webp", "avif", "auto"] | None,
        Explained(
            "Format of the answer; `auto`: the best that `Accept` allows. Without it the source's own; HEIC, TIFF and "
            "BMP become JPEG, GIF becomes PNG."
        ),
    ] = None
    quality: Annotated[
        Annotated[int, Ge(1), Le(100)] | None, Explained("Quality of JPEG, WebP and AVIF; each has its own default.")
    ] = None
    lossless: Annotated[bool, Explained("Lose nothing: WebP and AVIF only.")] = False
    frames: Annotated[Literal["first", "all"], Explained("`all`: an animated GIF or WebP stays animated, as WebP.")] = (
        "first"
    )
    metadata: Annotated[
        Literal["none", "copyright"], Explained("`copyright`: keep who made it and whose it is, nothing else.")
    ] = "none"

    def settled(self, accept: str) -> tuple[Conversion, tuple[str, ...]]:
        """Return it in its one form, and which format `auto` means by the request's Accept, if that says so.

        Raises:
            InvalidParameter: the format cannot be lossless or animated.
        """
        if self.lossless and self.format in ("jpeg", "png"):
            raise InvalidParameter("lossless is for WebP and AVIF: leave it out, or set format to webp or avif.")
        if self.frames == "all" and self.format in ("jpeg", "png", "avif"):
            raise InvalidParameter("frames=all answers WebP: leave format out, or set it to webp.")
        ignored = replace(self, quality=None) if self.format == "png" else self
        if self.format != "auto":
            return ignored, ()
        name = preferred(accept, _NEGOTIATED if self.lossless else (*_NEGOTIATED, "jpeg", "png"))
        return ignored, (name,) if name else ()

    def chosen(self, header: PictureHeader, accepted: tuple[str, ...], alpha: bool) -> str:
        """Return the format that a picture of this header is answered in. `alpha`: something of it can be transparent.

        Raises:
            InvalidParameter: the picture's own format cannot be lossless.
        """
        found = self.foretold(header.format.name, accepted) or ("png" if alpha else "jpeg")
        if self.lossless and found not in _LOSSLESS:
            raise InvalidParameter("lossless is for WebP and AVIF: set format to one of them.")
        return found

    def foretold(self, source: str, accepted: tuple[str, ...]) -> str | None:
        """Return what `chosen` will, by the name of a picture's format alone; None where it depends on the pixels."""
        if self.frames == "all" and source in _ANIMATED:
            return "webp"
        if self.format == "auto":
            return accepted[0] if accepted else None
        return self.format or _INSTEAD.get(source, source)

    def animates(self, header: PictureHeader) -> bool:
        """Whether all frames of a picture of this header are answered."""
        return self.frames == "all" and header.animated and header.format.name in _ANIMATED


def preferred(accept: str, names: Sequence[str]) -> str | None:
    """Return which of these formats `auto` answers by an Accept header (RFC 9110, section 12.5.1).

    The one of the highest weight, of equal ones the first in `names`; None: JPEG or PNG, whichever suits the picture,
    where both are taken.
    For AVIF and WebP wildcards do not count: who sends `*/*` has not said that it knows them.
    """
    weights = _weights(accept)
    any_image = weights.get("image/*", weights.get("*/*", 0.0 if weights else 1.0))
    plain = {name: weights.get(CONTENT_TYPES[name], any_image) for name in ("jpeg", "png")}
    if min(plain.values()) > 0 or not any(plain.values()):
        plain = {"": max(plain.values())}
    found = {name: weights.get(CONTENT_TYPES[name], 0.0) for name in _NEGOTIATED} | plain
    choices = (*names, "") if "jpeg" in names else names
    allowed = [name for name in choices if found.get(name, 0.0) > 0]
    return max(allowed, key=found.__getitem__, default="") or None


def _weights(accept: str) -> dict[str, float]:
    """Return the weight of each range of types that is named; what is no weight is 1."""
    weights = {}
    for entry in accept.split(","):
        name, *parameters = (word.strip().lower() for word in entry.split(";"))
        if name:
            weights[name] = min([_weight(parameter) for parameter in parameters], default=1.0)
    return weights


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    is_weight = name.strip() == "q" and _WEIGHT.fullmatch(value.strip()) is not None
    return float(value) if is_weight else 1.0
