"""Playlists of HTTP Live Streaming (RFC 8216, and its second edition draft): what ffmpeg wrote is read, the master made.

What a player must know to choose is measured: the highest rate of a segment, and the codecs as they stand in the
initialisation segment (RFC 6381).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import InvalidMedia

INDEX, INITIALISATION = "index.m3u8", "init.mp4"
SEGMENTS = "%05d.m4s"

_SEGMENT = re.compile(r"#EXTINF:([0-9.]+),[^\n]*\n([0-9]{5,7}\.m4s)")
_AAC_LC = "mp4a.40.2"


@dataclass(frozen=True, slots=True)
class Rates:
    """Bits a second: the most of one segment, and of all of them."""

    peak: int
    average: int

    def plus(self, other: Rates | None) -> Rates:
        return self if other is None else Rates(self.peak + other.peak, self.average + other.average)


@dataclass(frozen=True, slots=True)
class Rendition:
    """One media playlist in a folder of this name, beside the master. `codec` as in RFC 6381."""

    name: str
    codec: str
    rates: Rates
    seconds: float
    segments: int


@dataclass(frozen=True, slots=True)
class Variant:
    """A rendition of the pictures: its size in pixels, and its frame rate where it is known."""

    rendition: Rendition
    width: int
    height: int
    frame_rate: float | None


def read_rendition(folder: Path) -> Rendition:
    """Read what ffmpeg wrote into a folder; this blocks.

    Raises:
        InvalidMedia: it wrote no segments, or not those of its playlist.
    """
    found = _SEGMENT.findall((folder / INDEX).read_text())
    if not found:
        raise InvalidMedia("The video came out without segments.")
    sizes = []
    for number, (seconds, name) in enumerate(found):
        size_bytes = (folder / name).stat().st_size
        if name != SEGMENTS % number or not size_bytes:
            raise InvalidMedia("A segment of the video is missing.")
        sizes.append((float(seconds), size_bytes))
    total_seconds = sum(seconds for seconds, _ in sizes)
    # A very short last segment has few bytes, but at a rate that nobody needs to keep up with.
    peak = max(8 * nbytes / max(seconds, min(1.0, total_seconds)) for seconds, nbytes in sizes)
    average = 8 * sum(nbytes for _, nbytes in sizes) / max(total_seconds, 0.001)
    codec = codec_of((folder / INITIALISATION).read_bytes())
    return Rendition(folder.name, codec, Rates(int(peak) + 1, int(average) + 1), total_seconds, len(sizes))


def codec_of(initialisation: bytes) -> str:
    """Return the codec of an initialisation segment with one track: H.264 or AAC-LC, which is what is written.

    Raises:
        InvalidMedia: it has another one.
    """
    at = initialisation.find(b"avcC")  # ISO/IEC 14496-15, 5.3.3.1: version, profile, compatibility, level
    if at >= 0 and len(initialisation) >= at + 8:
        return f"avc1.{initialisation[at + 5 : at + 8].hex()}"
    if b"mp4a" in initialisation:
        return _AAC_LC
    raise InvalidMedia("The video came out in a codec that is not known.")


def master(variants: Sequence[Variant], audio: Rendition | None) -> str:
    """Return the master playlist; a player begins with the first variant that it is given."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    if audio is not None:
        lines.append(
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="audio",DEFAULT=YES,AUTOSELECT=YES,'
            f'URI="{audio.name}/{INDEX}"'
        )
    for one in variants:
        rates = one.rendition.rates.plus(None if audio is None else audio.rates)
        codecs = one.rendition.codec if audio is None else f"{one.rendition.codec},{audio.codec}"
        attributes = [
            f"BANDWIDTH={rates.peak}",
            f"AVERAGE-BANDWIDTH={rates.average}",
            f"RESOLUTION={one.width}x{one.height}",
            *([] if not one.frame_rate else [f"FRAME-RATE={one.frame_rate:.3f}"]),
            f'CODECS="{codecs}"',
            *([] if audio is None else ['AUDIO="audio"']),
        ]
        lines += [f"#EXT-X-STREAM-INF:{','.join(attributes)}", f"{one.rendition.name}/{INDEX}"]
    return "\n".join([*lines, ""])
