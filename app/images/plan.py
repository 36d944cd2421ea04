"""How one picture is rendered: at full quality, or the cheaper way where that does not fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from app.domain.receipt import Receipt
from app.domain.region import Region
from app.errors import InvalidParameter, TooManyPixels
from app.images.conversion import KEEPS_ALPHA
from app.images.framing import placed, scaled_size, watermark_size
from app.images.marks import Mark
from app.images.operation import Scene
from app.images.peak import Work
from app.images.placement import Placement
from app.images.transform import Transform
from app.imaging.cost import MAX_STORED_PIXELS
from app.imaging.encoding import Encoding
from app.imaging.picture_format import PictureHeader
from app.settings import ImageSettings


@dataclass(frozen=True, slots=True)
class RenderPlan:
    """`work` says what is done, `formula_bytes` what that takes at its peak, beside the answer."""

    work: Work
    formula_bytes: int
    is_reduced: bool = False
    looked: Receipt | None = None
    examines: bool = False

    @property
    def operation(self) -> str:
        """Its name among what is forecast."""
        animated = "-animated" if self.work.animated else ""
        return f"image-{self.work.header.format.name}-{self.work.encoding.format}{animated}"

    @property
    def likely_bytes(self) -> int:
        """What is reserved for the answer at first."""
        sheet = self.work.result
        if self.work.animated:
            return self.work.coded_bytes
        return self.work.encoding.likely_bytes(sheet.pixels, sheet.channels)

    @property
    def most_bytes(self) -> int:
        """What no answer is longer than; of an animation there is no telling, and this is what is tried."""
        sheet = self.work.result
        most = self.work.encoding.most_bytes(sheet.pixels, sheet.channels)
        return most + 4 * self.work.coded_bytes if self.work.animated else most

    @property
    def noise_bytes(self) -> int:
        """What writing noise takes beyond `formula_bytes`."""
        sheet = self.work.result
        return 0 if self.work.animated else self.work.encoding.noise_bytes(sheet.pixels, sheet.channels)

    def as_head(self, settings: ImageSettings, mark: Mark | None) -> dict[str, Any]:
        """Return it as members of a call to a child, but for `peakBytes` (`engine.Engine`)."""
        work = self.work
        return {
            **work.transform.as_head(),
            "encoding": asdict(work.encoding),
            "faces": [[face.x, face.y, face.width, face.height] for face in work.scene.faces],
            "coarse": work.coarse,
            "animated": work.animated,
            "maxPixels": settings.max_pixels,
            "maxFrames": settings.max_frames,
            "examines": self.examines,
            "watermark": mark.share if mark is not None else None,
        }


@dataclass(frozen=True, slots=True)
class Wish:
    """A picture and what is wanted of it: its header, how many bytes it has, the transform, and where its faces are.

    `looked` is the receipt of looking for them; None where nobody did.
    `examines`: what is told of the result is wanted in its place (`imaging.examination`).
    """

    header: PictureHeader
    encoded_bytes: int
    transform: Transform
    faces: Sequence[Region] = ()
    looked: Receipt | None = None
    examines: bool = False


def plans(wish: Wish, effort: float, settings: ImageSettings, mark: Mark | None = None) -> list[RenderPlan]:
    """Return how a wish can be fulfilled, the best way first. `effort` is `ModePolicy.encoder_effort`.

    Raises:
        TooManyPixels: its header says that it is too large.
        InvalidParameter: see `framing.placed` and `Conversion.chosen`.
    """
    header, conversion = wish.header, wish.transform.conversion
    if header.progressive or not header.format.counts_scaled:  # however it is framed, all of it is decoded
        check_counted(header, header.pixels, settings.max_pixels)
    alpha = header.format.has_alpha(header)
    name = conversion.chosen(header, wish.transform.accepted, alpha)
    crisp = header.format.name in ("png", "gif") and header.samples == 1 and header.bits <= 8
    encoding = Encoding.of(name, conversion.quality, conversion.lossless, effort, crisp)
    placement = placed(wish.transform, header.upright, wish.faces)
    scene = Scene(placement, tuple(wish.faces), name in KEEPS_ALPHA)
    animated = conversion.animates(header)
    if animated and wish.transform.params("anonymize") is not None:
        raise InvalidParameter("anonymize: faces are found in the first frame only; leave frames=all out.")
    best = Work(header, wish.encoded_bytes, wish.transform, scene, encoding, animated=animated)
    check_pixels(best, settings.max_pixels)
    cheaper = replace(best, coarse=True, encoding=replace(encoding, effort=0.0))
    extra = 0 if mark is None else _mark_bytes(mark, placement)
    found = [
        RenderPlan(work, work.peak_bytes() + extra, work is cheaper, wish.looked, wish.examines)
        for work in (best, cheaper)
    ]
    return found if found[1].formula_bytes < found[0].formula_bytes else found[:1]


def check_pixels(work: Work, max_pixels: int) -> None:
    """Refuse a picture by its header, before anything is decoded; a baseline JPEG counts at its decoded scale.

    Raises:
        TooManyPixels: more decoded pixels x frames than `max_pixels`, or more stored ones than any decoder takes.
    """
    header = work.header
    is_scaled = header.format.counts_scaled and not header.progressive
    width, height = scaled_size(header, work.scale) if is_scaled else (header.width, header.height)
    check_counted(header, width * height * (header.frames if work.animated else 1), max_pixels)


def check_counted(header: PictureHeader, counted: int, max_pixels: int) -> None:
    """See `check_pixels`; `counted` are the pixels to decode."""
    if counted > max_pixels or header.pixels > MAX_STORED_PIXELS:
        pixels, limit = (counted, max_pixels) if counted > max_pixels else (header.pixels, MAX_STORED_PIXELS)
        raise TooManyPixels(
            f"The picture of {header.width}x{header.height} has {pixels} pixels to decode; {limit} are accepted.",
            pixels=pixels,
            limitPixels=limit,
        )


def _mark_bytes(mark: Mark, placement: Placement) -> int:
    """Return what decoding a watermark takes beside the picture that it is laid on."""
    size = watermark_size(mark.header.upright, mark.share, placement.canvas)
    scene = Scene(Placement.of(mark.header.upright).sized(size), (), keeps_alpha=True)
    work = Work(mark.header, mark.size_bytes, Transform(), scene, Encoding("png", 100))
    return 2 * mark.size_bytes + work.peak_bytes()
