"""The scans of a progressive JPEG: the decoder goes over all blocks in each, however few bytes the scan has.

A scan of 13 bytes that refines nothing costs libjpeg as much as a full one, so 1 MB of them would cost minutes. What
the scans may cost is bounded here, before the decode. Measured with Pillow 13.0 and libjpeg-turbo 3.2: CPU time for a
block of 64 samples in each scan, on pictures of 3 to 40 MP, at full size and at a draft's scale alike:

    DC, first scan or refinement     2 to 6 ns; with a restart marker at each block 7
    AC, first scan                   3 to 12 ns
    AC, refinement                   30 to 40 ns: it walks 63 coefficients (58 ns where each block has 3 bytes in it)
    sequential, in several scans     2 to 8 ns
    arithmetic coding, AC | DC       up to 250 | 20 ns (Pillow decodes only what lies in the first 64 KiB of the file)

The rest of a decode takes 100 to 190 ns a block (to allocate, smooth and transform it), and 12 to 50 ms for each MB of
Huffman codes. The worst pictures that pass, of 5 MB and up to 50 MP, took 0.85 s (43 scans of DC, arithmetic, 20 MP)
and 0.79 s (12 refinements, CMYK, 50 MP).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from app.errors import InvalidMedia

# Nanoseconds a block: what all scans together may take is what the rest of the decode leaves of `_DECODE_NS`. However
# large the picture is, it may have an ordinary script: that of libjpeg (`jpeg_simple_progression`) takes at most 120.
_DECODE_NS = 650_000_000
_REST_NS = 150
_ORDINARY_NS = 140

_FIRST_NS, _REFINEMENT_NS, _ARITHMETIC_NS = 10, 40, 250

# Added for each scan, so that at most 325 are counted in the smallest picture. Encoders write 4 to 20.
_SCAN_NS = 2_000_000

# Markers between one scan and the end that are looked at: a table or two for each scan.
_MAX_MARKERS = 4096

_SCAN = re.compile(rb"\xff\xda")
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")  # what ends entropy-coded data; T.81, B.1.1.5
_START_OF_FRAME, _END_OF_IMAGE, _START_OF_SCAN = 0xC0, 0xD9, 0xDA


@dataclass(frozen=True, slots=True)
class JpegFrame:
    """The identifiers of the components, how many blocks each has, and whether they are coded arithmetically."""

    components: Sequence[int]
    blocks: Sequence[int]
    is_arithmetic: bool

    @property
    def allowance_ns(self) -> int:
        """What all scans of the picture may take."""
        blocks = sum(self.blocks)
        return max(_DECODE_NS - _REST_NS * blocks, _ORDINARY_NS * blocks)

    def blocks_of(self, identifiers: Collection[int]) -> int:
        """Return how many blocks a scan of these components goes over."""
        pairs = zip(self.components, self.blocks, strict=True)
        return sum(blocks for component, blocks in pairs if component in identifiers)


def check_scans(data: bytes | memoryview, first: int, frame: JpegFrame) -> None:
    """Refuse a picture whose scans would take the decoder too long.

    `first` is where the parameters of the first scan begin. Whatever looks like the head of a scan is counted first:
    0.3 ms a MB, and never too few. Only where that is too much are the markers walked, to leave out what stands in a
    segment or behind the end of the picture (a second picture, a video); 0.3 ms a MB, at worst 8.

    Raises:
        InvalidMedia: too many scans for a picture of this size.
    """
    if _fits(data, (match.end() + 2 for match in _SCAN.finditer(data, first - 4)), frame):
        return
    if not _fits(data, _walk(data, first), frame):
        raise InvalidMedia("The JPEG has more scans than are decoded for a picture of its size.")


def _fits(data: bytes | memoryview, scans: Iterator[int], frame: JpegFrame) -> bool:
    left = frame.allowance_ns
    for scan in scans:
        left -= _scan_ns(data[scan : scan + 12], frame)
        if left < 0:
            return False
    return True


def _scan_ns(head: bytes | memoryview, frame: JpegFrame) -> int:
    """Return what a scan takes, by its components, its band and its bits (T.81, B.2.3)."""
    if not head or len(head) < 4 + 2 * head[0]:
        return _SCAN_NS
    end = 1 + 2 * head[0]
    blocks = frame.blocks_of(bytes(head[1:end:2]))
    band_start, band_end, bits = head[end : end + 3]
    if frame.is_arithmetic and band_end:
        return _SCAN_NS + _ARITHMETIC_NS * blocks
    return _SCAN_NS + blocks * (_REFINEMENT_NS if band_start and bits >> 4 else _FIRST_NS)


def _walk(data: bytes | memoryview, first: int) -> Iterator[int]:
    """Yield where the parameters of each scan begin, up to the end of the picture.

    A marker below 0xC0 is taken to have no length: libjpeg fails there, or skips it alone in search of a restart.
    """
    yield first
    position = first - 2 + _length(data, first - 2)
    for _ in range(_MAX_MARKERS):
        match = _MARKER.search(data, position)
        if match is None or match[1][0] == _END_OF_IMAGE:
            return
        position = match.end()
        if match[1][0] == _START_OF_SCAN:
            yield position + 2
        if match[1][0] >= _START_OF_FRAME:
            position += _length(data, position)
    raise InvalidMedia("The JPEG has more segments than are looked at.")


def _length(data: bytes | memoryview, position: int) -> int:
    return max(2, int.from_bytes(data[position : position + 2], "big"))
