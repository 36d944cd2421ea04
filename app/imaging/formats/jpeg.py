"""JPEG: frame header, kind of scans, EXIF orientation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.domain.media import MediaKind, MediaType
from app.errors import InvalidMedia, UnsupportedMedia
from app.imaging.exif import read_orientation
from app.imaging.jpeg_scans import JpegFrame, check_scans
from app.imaging.picture_format import PictureFormat, PictureHeader

# A step is a segment or a byte of padding. Photos have 5 to 30 segments; a 16 MB colour profile has 256.
_MAX_STEPS = 2048

_SEQUENTIAL = frozenset((0xC0, 0xC1, 0xC9))
_PROGRESSIVE = frozenset((0xC2, 0xCA))
_ARITHMETIC = frozenset((0xC9, 0xCA))
_OTHER_FRAMES = frozenset((0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF))  # lossless and hierarchical
_FRAMES = _SEQUENTIAL | _PROGRESSIVE | _OTHER_FRAMES
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))  # markers without a length
_END_OF_IMAGE, _START_OF_SCAN, _APP1, _APP2 = 0xD9, 0xDA, 0xE1, 0xE2

# Metadata: APP0 to APP15 and comments, but for APP14, in which Adobe tells how the colours are stored.
_METADATA = (*range(0xFFE0, 0xFFEE), 0xFFEF, 0xFFFE)

# Rows that libjpeg holds for upsampling and colour conversion: 16 lines x 4 components.
_ROW_BYTES = 64


class Jpeg(PictureFormat):
    name = "jpeg"
    media_type = MediaType("image/jpeg", MediaKind.IMAGE, ".jpg")
    plugin = "PIL.JpegImagePlugin:JpegImageFile"
    signature = rb"\xff\xd8\xff"
    scales = (8, 4, 2)
    counts_scaled = True

    def buffer_bytes(self, header: PictureHeader, _encoded_bytes: int) -> int:
        return _ROW_BYTES * header.width

    def decoder_bytes(self, header: PictureHeader, pixels: int) -> tuple[int, int]:
        """A progressive picture's coefficients are held whole, at 2 bytes each, whatever the scale."""
        image = pixels * self.pixel_bytes(header)
        coefficients = int(2 * header.samples * header.pixels) if header.progressive else 0
        return coefficients + image, image

    def is_told_by(self, _head: bytes, header: PictureHeader) -> bool:
        """Of a progressive one all scans are looked at, and where none is in sight it counts as one."""
        return not header.progressive

    def has_alpha(self, _header: PictureHeader) -> bool:
        return False

    def is_averageable(self, _header: PictureHeader) -> bool:
        return True

    def load_plugin(self) -> Any:
        from PIL import JpegImagePlugin

        # Pillow would keep all metadata, and copy what each entry of an EXIF directory points at: 0.3 GB from 64 KB.
        for marker in _METADATA:
            JpegImagePlugin.MARKER[marker] = (*JpegImagePlugin.MARKER[marker][:2], JpegImagePlugin.Skip)
        return super().load_plugin()

    def read_profile(self, data: bytes | memoryview) -> bytes | None:
        """See `PictureFormat.read_profile`. Source of the layout: ICC.1:2022, annex B.4."""
        parts: dict[int, bytes] = {}
        for marker, payload, end in _segments(data):
            if marker == _START_OF_SCAN:
                break
            if marker == _APP2 and data[payload : payload + 12] == b"ICC_PROFILE\0" and end - payload > 14:
                parts[data[payload + 12]] = bytes(data[payload + 14 : end])
        return b"".join(parts[number] for number in sorted(parts)) or None

    def read_exif(self, data: bytes | memoryview) -> bytes | None:
        for marker, payload, end in _segments(data):
            if marker == _START_OF_SCAN:
                break
            if marker == _APP1 and data[payload : payload + 6] == b"Exif\0\0":
                return bytes(data[payload + 6 : end])
        return None

    def read_header(self, data: bytes | memoryview) -> PictureHeader:
        """Walk the segments up to the first scan; of a progressive picture, look at the later scans too.

        A sequential picture whose first scan holds fewer components than the frame is stored in several scans: libjpeg
        then keeps all coefficients as for a progressive one (`jdmaster.c: use_c_buffer`), and so it is called
        progressive here. The same is assumed where `data` ends before the first scan. Source of the layout: ITU-T
        T.81, annex B.

        Raises:
            InvalidMedia: also where it has more scans than `check_scans` allows.
        """
        frame = scan = orientation = 0
        for marker, payload, end in _segments(data):
            if marker == _START_OF_SCAN:
                scan = payload
                break
            if marker in _FRAMES:
                if frame:
                    raise InvalidMedia("The JPEG has two frame headers.")
                frame = payload
            elif marker == _APP1 and not orientation and data[payload : payload + 6] == b"Exif\0\0":
                orientation = read_orientation(data[payload + 6 : end])
        if not frame:
            raise InvalidMedia("The JPEG has no frame header where one is expected.")
        header = self._describe(data, frame, scan, orientation or 1)
        if scan and header.progressive:
            check_scans(data, scan, self._frame(data, frame))
        return header

    def _describe(self, data: bytes | memoryview, frame: int, scan: int, orientation: int) -> PictureHeader:
        kind = data[frame - 3]
        components = data[frame + 5]
        if kind in _OTHER_FRAMES or data[frame] != 8 or components not in (1, 3, 4):
            raise UnsupportedMedia("Only 8-bit baseline and progressive JPEG of 1, 3 or 4 components is accepted.")
        factors = [data[frame + 7 + 3 * index] for index in range(components)]
        if not all(1 <= factor >> 4 <= 4 and 1 <= factor & 15 <= 4 for factor in factors):
            raise InvalidMedia("The JPEG has a wrong sampling factor.")
        full = max(factor >> 4 for factor in factors) * max(factor & 15 for factor in factors)
        return PictureHeader(
            format=self,
            width=data[frame + 3] << 8 | data[frame + 4],
            height=data[frame + 1] << 8 | data[frame + 2],
            channels=components,
            progressive=kind in _PROGRESSIVE or not scan or data[scan] < components,
            orientation=orientation,
            samples=sum((factor >> 4) * (factor & 15) for factor in factors) / full,
        )

    def _frame(self, data: bytes | memoryview, frame: int) -> JpegFrame:
        """Return the blocks of the components, padded to whole minimum coded units (T.81, A.2.4)."""
        height, width = data[frame + 1] << 8 | data[frame + 2], data[frame + 3] << 8 | data[frame + 4]
        starts = [frame + 6 + 3 * index for index in range(data[frame + 5])]
        factors = [(data[start + 1] >> 4, data[start + 1] & 15) for start in starts]
        across = -(-width // (8 * max(wide for wide, _ in factors)))
        down = -(-height // (8 * max(high for _, high in factors)))
        blocks = [across * wide * down * high for wide, high in factors]
        return JpegFrame([data[start] for start in starts], blocks, data[frame - 3] in _ARITHMETIC)


def _segments(data: bytes | memoryview) -> Iterator[tuple[int, int, int]]:
    """Yield each segment that has a length: its marker, and where what follows the length begins and ends.

    Raises:
        InvalidMedia: the next one was asked for, but this one has a wrong length, or was the last that is looked at.
    """
    position, last = 2, len(data) - 4
    for _ in range(_MAX_STEPS):
        if position >= last:
            return
        marker = data[position + 1]
        if data[position] != 0xFF or marker in (0x00, 0xFF):  # padding, as libjpeg skips it
            position += 1
        elif marker in _ALONE:
            position += 2
        elif marker == _END_OF_IMAGE:
            return
        else:
            payload, end = position + 4, position + 2 + (data[position + 2] << 8 | data[position + 3])
            yield marker, payload, end
            if end < payload:
                raise InvalidMedia("A segment of the JPEG has a wrong length.")
            position = end
    raise InvalidMedia("The JPEG has more segments than are looked at.")
