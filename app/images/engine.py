"""The handler of an imaging child: decodes, transforms and writes one picture into the file that it was passed."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from app.domain.region import Region
from app.domain.units import MIB
from app.errors import InvalidMedia, TooManyPixels
from app.images.conversion import KEEPS_ALPHA
from app.images.framing import decode_scale, placed, watermark_size
from app.images.mask import write_masks
from app.images.operation import Scene
from app.images.placement import Placement
from app.images.rendering import Rendering, painted
from app.images.transform import Transform
from app.imaging.animation import Animation
from app.imaging.encoders import Credits, encode
from app.imaging.encoding import Encoding
from app.imaging.examination import examined
from app.imaging.header import read_header
from app.memory.allocator import keep_between_calls
from app.workers.channel import Head
from app.workers.data_cage import DataCage

if TYPE_CHECKING:
    from PIL import Image

_SLACK_BYTES = 24 * MIB
"""What codecs map beside the pictures: stacks of their threads (8 MiB each), arenas, tables."""

_KEPT_BYTES = 12 * MIB
"""What the heap keeps of one picture for the next, until the child rests: 12 MP to 800 pixels take 7 MiB, and paging
that in anew was 5 ms of 45 (`benchmarks.images`)."""

_FULL = frozenset((errno.EPERM, errno.EFBIG, errno.ENOSPC))
"""What a sealed memfd says to a write beyond its end (fcntl(2)), and other files in its place."""


@dataclass(slots=True)
class _Clock:
    """Seconds of each phase."""

    decode: float = 0.0
    transform: float = 0.0
    encode: float = 0.0
    _last: float = 0.0

    def start(self) -> None:
        self._last = time.perf_counter()

    def stop(self, phase: str) -> None:
        now = time.perf_counter()
        setattr(self, phase, getattr(self, phase) + now - self._last)
        self._last = now


class Engine:
    """Answers the calls of the API.

    A call has the picture as payload, or in the file of the descriptor whose place is `"source"`. The file for the
    answer is its first descriptor, that of a watermark its second. In its head are the members of `Transform.as_head`,
    `"encoding"`, `"faces"`, `"coarse"`, `"maxPixels"`, `"maxFrames"`, `"animated"`, `"examines"`, `"watermark"` (share
    of the width) and `"peakBytes"`. The reply has no payload; its head tells size and times, or `"overflow": true`
    where the file was too short for the answer, or the memory for writing it. With `"masks"` in the head, masks are
    drawn in its place (`mask.write_masks`).
    """

    def __init__(self) -> None:
        self._cage = DataCage()

    def handle(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        """Render one picture.

        Raises:
            InvalidMedia, UnsupportedMedia, TooManyPixels, InvalidParameter: it is not accepted.
        """
        try:
            source = head["descriptors"][head["source"]] if "source" in head else None
            read_bytes = os.fstat(source).st_size if source is not None else 0
            with self._cage.allowance(head["peakBytes"] + read_bytes + _SLACK_BYTES):
                if "masks" in head:
                    return write_masks(head["masks"], payload, head["descriptors"][0]), b""
                return _Call(head, payload if source is None else _contents(source)).answer(), b""
        except MemoryError:
            raise InvalidMedia("The picture needs more memory than its header says.") from None
        except OSError as error:
            if error.errno in _FULL:
                return {"overflow": True}, b""
            raise


class _Call:
    def __init__(self, head: Head, payload: bytes) -> None:
        self._head = head
        self._payload = payload
        self._clock = _Clock()
        self._clock.start()
        self._transform = Transform.of_head(head)
        self._encoding = Encoding(**head["encoding"])
        self._header = read_header(payload)
        faces = [Region(*face) for face in head["faces"]]
        self._placement = placed(self._transform, self._header.upright, faces)
        self._rendering = Rendering(payload, self._header)
        self._scene = Scene(self._placement, faces, self._encoding.format in KEEPS_ALPHA)

    def answer(self) -> Head:
        return self._animation() if self._head["animated"] else self._still()

    def _still(self) -> Head:
        scale = decode_scale(self._header, self._placement, self._head["coarse"])
        image, self._placement = self._rendering.still(self._placement, scale)
        self._scene = replace(self._scene, placement=self._placement)
        self._clock.stop("decode")
        image = painted(image, self._transform, self._with_watermark())
        self._clock.stop("transform")
        size_bytes = self._written(image)
        self._clock.stop("encode")
        return self._told(image.size, 1, size_bytes)

    def _written(self, image: Image.Image) -> int:
        descriptor = self._head["descriptors"][0]
        if not self._head["examines"]:
            try:
                return encode(image, self._encoding, self._credits(), descriptor)
            except MemoryError:  # the header has told the truth, the picture is noise
                raise OSError(errno.ENOSPC, "there is not enough memory for writing it") from None
        survey = self._header.format.survey(self._payload, self._header)
        return os.pwrite(descriptor, examined(image, self._rendering.exif, self._rendering.profile, survey), 0)

    def _animation(self) -> Head:
        """See `Conversion.animates`. Frames x area of what is decoded may have `maxPixels`."""
        most = self._head["maxPixels"] // self._header.pixels
        animation: Animation | None = None
        size = (0, 0)
        for image, milliseconds in self._rendering.frames(self._placement, self._head["maxFrames"] + 1):
            self._clock.stop("decode")
            image = painted(image, self._transform, self._with_watermark())
            self._clock.stop("transform")
            size = image.size
            animation = animation or Animation(size, self._encoding, self._rendering.loops())
            if animation.frames == min(most, self._head["maxFrames"]):
                raise self._too_many(most)
            animation.add(image, milliseconds)
            self._clock.stop("encode")
        assert animation is not None
        size_bytes = animation.write(self._credits(), self._head["descriptors"][0])
        self._clock.stop("encode")
        return self._told(size, animation.frames, size_bytes)

    def _too_many(self, most: int) -> TooManyPixels:
        limit = min(most, self._head["maxFrames"])
        return TooManyPixels(
            f"The animation has more than {limit} frames of {self._header.width}x{self._header.height}; its first one "
            "alone is answered with frames=first.",
            limitFrames=limit,
            limitPixels=self._head["maxPixels"],
        )

    def _with_watermark(self) -> Scene:
        if (share := self._head["watermark"]) is None:
            return self._scene
        if self._scene.watermark is None:
            canvas = self._placement.canvas
            mark = _watermark(self._head["descriptors"][1], share, canvas)
            self._scene = replace(self._scene, watermark=mark)
        return self._scene

    def _credits(self) -> Credits:
        if self._transform.conversion.metadata != "copyright":
            return Credits()
        return self._rendering.credits

    def _told(self, size: tuple[int, int], frames: int, size_bytes: int) -> Head:
        return {
            "width": size[0],
            "height": size[1],
            "frames": frames,
            "sizeBytes": size_bytes,
            "decodeSeconds": round(self._clock.decode, 6),
            "transformSeconds": round(self._clock.transform, 6),
            "encodeSeconds": round(self._clock.encode, 6),
        }


def _contents(descriptor: int) -> bytes:
    size_bytes = os.fstat(descriptor).st_size
    data = os.pread(descriptor, size_bytes, 0)
    if len(data) < size_bytes:
        raise InvalidMedia("The picture cannot be read whole.")
    return data


def _watermark(descriptor: int, share: float, canvas: tuple[int, int]) -> Image.Image:
    data = _contents(descriptor)
    header = read_header(data)
    placement = Placement.of(header.upright)
    placement = placement.sized(watermark_size(header.upright, share, canvas))
    image, _ = Rendering(data, header).still(placement, decode_scale(header, placement))
    return image.convert("RGBA")


def build(_options: dict[str, Any]) -> Engine:
    """Return what an imaging child is for; it loads nothing for good."""
    keep_between_calls(_KEPT_BYTES)
    return Engine()
