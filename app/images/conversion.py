"""The last step: in which format a picture is answered. Names only; the encoders are in `imaging/encoders.py`."""

from __future__ import annotations

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

_ANIMATED = frozenset(("gif", "webp"))


@dataclass(frozen=True, slots=True)
class Conversion:
    """Parameters of the last step. `accepted` are the formats that `auto` may choose from besides JPEG and PNG."""

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
        """Return it in its one form, and which formats `auto` may choose from, by the request's Accept.

        Raises:
            InvalidParameter: the format cannot be lossless or animated.
        """
        if self.lossless and self.format in ("jpeg", "png"):
            raise InvalidParameter("lossless is for WebP and AVIF: leave it out, or set format to webp or avif.")
        if self.frames == "all" and self.format in ("jpeg", "png", "avif"):
            raise InvalidParameter("frames=all answers WebP: leave format out, or set it to webp.")
        ignored = replace(self, quality=None) if self.format == "png" else self
        return ignored, accepted_formats(accept) if self.format == "auto" else ()

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


def accepted_formats(accept: str) -> tuple[str, ...]:
    """Return the formats of `_NEGOTIATED` that an Accept header names (RFC 9110, section 12.5.1), best first.

    Wildcards do not count: who sends `*/*` has not said that it knows AVIF.
    """
    named = {}
    for entry in accept.split(","):
        name, *parameters = (word.strip().lower() for word in entry.split(";"))
        named[name] = not any(_is_zero(parameter) for parameter in parameters)
    return tuple(name for name in _NEGOTIATED if named.get(CONTENT_TYPES[name], False))


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and value.strip().rstrip("0").rstrip(".") in ("", "0")
