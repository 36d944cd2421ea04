"""From an encoded picture to the pixels of the answer. Child side; what it holds at a time is predicted in `peak`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from app.domain.region import Region
from app.images.operation import Painting, Scene
from app.images.placement import Placement, whole_pixels
from app.images.transform import Transform
from app.images.turn import Turn
from app.imaging.colour import to_srgb
from app.imaging.detail import MEASURED_SIDE, richest_part
from app.imaging.encoders import Credits
from app.imaging.opened import decoder_errors, open_image
from app.imaging.picture_format import PictureHeader
from app.imaging.resample import AFTER_SCALE, SHARPEST, load_scaled, resample
from app.imaging.transposition import transposed

if TYPE_CHECKING:
    from PIL import Image, ImageFile


class Rendering:
    """One encoded picture, opened: its frames in the view of a placement, in sRGB, mode L, RGB or RGBA."""

    def __init__(self, data: bytes, header: PictureHeader) -> None:
        """See `open_image` for what it raises, but as InvalidMedia."""
        self.header = header
        self._data = data
        with decoder_errors():
            self._opened: ImageFile.ImageFile | None = open_image(data, header)
        self.exif: bytes = header.format.read_exif(data) or self._opened.info.get("exif") or b""
        self.credits = Credits.of(self.exif, self._opened.info)
        self.profile = header.format.read_profile(data) or self._opened.info.get("icc_profile")
        self._turn = Turn() if header.format.decodes_upright else Turn.of_orientation(header.orientation)

    def still(self, placement: Placement, scale: int) -> tuple[Image.Image, Placement]:
        """Decode the first frame at 1/`scale`, and close the decoder; return it with what it shows, cut by its detail.

        Raises:
            InvalidMedia: it is truncated or corrupt.
        """
        with decoder_errors():
            assert self._opened is not None
            load_scaled(self._opened, scale)
            placement = self._cut(self._opened, placement, scale)
            image = self._resampled(self._opened, placement, scale)
            self._opened = None
        return self._placed(image, placement), placement

    def frames(self, placement: Placement, max_frames: int) -> Iterator[tuple[Image.Image, int]]:
        """Give each frame of an animation and how long it is shown, in milliseconds; where it is cut is the first's.

        Raises:
            InvalidMedia: one is truncated or corrupt.
        """
        opened = self._opened
        assert opened is not None
        for number in range(max_frames):
            with decoder_errors():
                if number and not _goes_on(opened, number):
                    return
                opened.load()
                if number == 0:
                    placement = self._cut(opened, placement, 1)
                image = self._resampled(opened, placement, 1)
            yield self._placed(image, placement), int(opened.info.get("duration", 0))

    def loops(self) -> int:
        """How often an animation is shown, 0: for ever."""
        assert self._opened is not None
        return int(self._opened.info.get("loop", 1))

    def _resampled(self, image: Image.Image, placement: Placement, scale: int) -> Image.Image:
        stored = self._turn.back(placement.shown)
        width, height = self.header.width / scale, self.header.height / scale
        if self.header.format.decodes_upright:
            width, height = (side / scale for side in self.header.upright)
        right, bottom = min(stored.right * width, image.width), min(stored.bottom * height, image.height)
        size = self._turn.size(placement.turn.size(placement.size))
        left, top = max(0.0, min(stored.x * width, right - 1)), max(0.0, min(stored.y * height, bottom - 1))
        box = (_exact(left), _exact(top), _exact(right), _exact(bottom))
        return resample(image, size, box, SHARPEST if scale == 1 else AFTER_SCALE)

    def _placed(self, image: Image.Image, placement: Placement) -> Image.Image:
        turn = self._turn.then(placement.turn)
        return to_srgb(transposed(image, turn.transposed, turn.mirrored_x, turn.mirrored_y), self.profile)

    def _cut(self, image: Image.Image, placement: Placement, scale: int) -> Placement:
        """Cut out of the view what it is to be cut to, if anything is: where most detail is."""
        if placement.cut_to is None:
            return placement
        part, size = placement.part, placement.exact_size
        longest = max(size)
        small = whole_pixels((size[0] / longest * MEASURED_SIDE, size[1] / longest * MEASURED_SIDE))
        view = self._placed(self._resampled(image, placement.sized(small), scale), placement)
        x, y = richest_part(view.convert("L"), part)
        return replace(placement.cut(Region(x, y, *part)), cut_to=None).sized(placement.size, placement.canvas)


def painted(image: Image.Image, transform: Transform, scene: Scene) -> Image.Image:
    """Return a picture with all that is painted on it."""
    for step in transform.steps:
        if issubclass(step.operation, Painting):
            image = step.operation.paint(step.params, image, scene)
    return image


def _goes_on(opened: ImageFile.ImageFile, number: int) -> bool:
    try:
        opened.seek(number)
    except EOFError:
        return False
    return True


def _exact(value: float) -> float:
    """Return a whole number where it is one but for rounding."""
    return float(round(value)) if abs(value - round(value)) < 1e-6 else value
