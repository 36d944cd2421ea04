"""What rendering a picture takes, in bytes, predicted from its header and the parameters.

It follows the steps of `rendering`, each of which frees what the one before it held.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.region import WHOLE
from app.images.framing import decode_scale, scaled_size
from app.images.operation import Painting, Scene, Sheet
from app.images.transform import Transform
from app.images.turn import Turn
from app.imaging.encoding import Encoding
from app.imaging.picture_format import PictureHeader
from app.imaging.reduction import BAND_PIXELS, whole_factors

_BASE_BYTES = 3 << 20
"""Buffers of the codecs, Python objects, and the slack of the allocator."""

_BAND_BYTES = 16
_COLOUR_BYTES, _CMYK_BYTES = 1 << 20, 8 << 20
"""What littleCMS holds: tables for a matrix, or a grid of 33 points a side for four inks."""

_ANIMATION = (40, 1 << 20)
_LOSSLESS_ANIMATION = (32, 24 << 20)
"""What WebP's animation encoder holds, in bytes for each pixel of the answer and in all: canvases, the coded frames of
which it has not chosen yet, and the tables of several lossless coders (measured: 31 to 37; 29 and 21 MB)."""


@dataclass(frozen=True, slots=True)
class Work:
    """One picture to render: its header, how many bytes its file has, and how it is decoded, painted and written."""

    header: PictureHeader
    encoded_bytes: int
    transform: Transform
    scene: Scene
    encoding: Encoding
    coarse: bool = False
    animated: bool = False

    @property
    def scale(self) -> int:
        return decode_scale(self.header, self.scene.placement, self.coarse)

    @property
    def coded_bytes(self) -> int:
        """What the coded frames of an animation have together, likely; without loss a palette becomes true colours."""
        grown = self.result.pixels / self.header.pixels
        return int(self.encoded_bytes * (4 if self.encoding.lossless else 1) * max(0.25, grown)) + (64 << 10)

    @property
    def view(self) -> Sheet:
        """The picture as it is painted on."""
        return Sheet(*self.scene.placement.size, _channels(self.header))

    @property
    def result(self) -> Sheet:
        """The picture as it is written."""
        sheet = self.view
        for operation, params in self._paintings():
            sheet = operation.result(params, sheet, self.scene)
        return sheet

    def peak_bytes(self) -> int:
        """Return the most that is held at any time, the answer excepted."""
        decoding, held = self._decoding()
        buffers = self.header.format.buffer_bytes(self.header, self.encoded_bytes)
        placing = self._placing()
        after = max(placing, self._painting(), self._encoding())
        if self.animated:  # the decoder stays, with the frame that it shows
            each, base = _LOSSLESS_ANIMATION if self.encoding.lossless else _ANIMATION
            encoder = each * self.result.pixels + base + 3 * self.coded_bytes
            return _BASE_BYTES + buffers + decoding + self._resampling() + max(placing, self._painting()) + encoder
        return _BASE_BYTES + buffers + max(decoding, held + self._resampling(), after)

    def _decoding(self) -> tuple[int, int]:
        width, height = scaled_size(self.header, self.scale)
        return self.header.format.decoder_bytes(self.header, width * height)

    def _resampling(self) -> int:
        """What `imaging.resample` takes on top of the decoded picture."""
        placement, scale = self.scene.placement, self.scale
        width, height = placement.exact_size
        full = max(1.0, width / scale), max(1.0, height / scale)
        size = placement.size
        factors = whole_factors((full[0] * placement.part[0], full[1] * placement.part[1]), size)
        reduced = -(-full[0] // factors[0]) * -(-full[1] // factors[1])
        wanted = 4 * size[0] * size[1]
        between = 4 * int(max(size[0] * -(-full[1] // factors[1]), size[1] * -(-full[0] // factors[0])))
        if self.header.format.is_averageable(self.header):
            converted = wanted if self.header.format.is_padded(self.header) else 0
            if (round(full[0]), round(full[1])) == size:  # nothing is resampled, at most something cut out
                return converted + (wanted if placement.shown != WHOLE else 0)
            return (4 * int(reduced) if max(factors) > 1 else 0) + between + wanted + converted
        around = int(4 * reduced + 32 * (full[0] / factors[0] + full[1] / factors[1] + 8))
        band = _BAND_BYTES * int(min(BAND_PIXELS + full[0] * factors[1], full[0] * full[1]))
        return around + max(band, around + between + 2 * wanted)

    def _placing(self) -> int:
        """Turned, and then brought into sRGB: each but that of RGB itself makes a second picture."""
        view, header = self.view, self.header
        lies = header.orientation > 1 and not header.format.decodes_upright
        turned = lies or self.scene.placement.turn != Turn()
        if header.channels == 4 and not header.format.has_alpha(header):
            return (12 if turned else 8) * view.pixels + _CMYK_BYTES
        second = 5 * view.pixels if view.channels == 1 else view.nbytes if turned else 0
        return view.nbytes + second + _COLOUR_BYTES

    def _painting(self) -> int:
        peak, sheet = 0, self.view
        for operation, params in self._paintings():
            peak = max(peak, operation.peak_bytes(params, sheet, self.scene))
            sheet = operation.result(params, sheet, self.scene)
        return peak

    def _encoding(self) -> int:
        sheet = self.result
        return sheet.nbytes + self.encoding.peak_bytes(sheet.pixels, sheet.channels)

    def _paintings(self) -> list[tuple[type[Painting], object]]:
        return [(step.operation, step.params) for step in self.transform.steps if issubclass(step.operation, Painting)]


def _channels(header: PictureHeader) -> int:
    if header.format.has_alpha(header):
        return 4
    return 1 if header.channels == 1 and header.samples <= 1 else 3
