"""The shape of sound: the lowest and the highest sample of each of many short parts, found in one pass by FFmpeg.

Nothing of the sound is kept, so an hour takes as much memory as a second. (FFmpeg's own picture of a waveform keeps all
of it until the end.)
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from app.ffmpeg.filter_text import filter_path

BYTES_A_PEAK = 256
"""What FFmpeg writes for each part at most."""

MOST_SAMPLES = 48_000 * 10
"""The longest part, in samples: it is one frame, and is held whole (a part of a longer one takes part in the same
peak)."""

_VALUE = re.compile(r"Overall\.(Min|Max|Number)_(?:level|of_samples)=(-?[0-9.]+|-?inf|-?nan)")
_WIDTH, _HEIGHT = 1200, 200


@dataclass(frozen=True, slots=True)
class Waveform:
    """`peaks`: pairs of the lowest and the highest sample, -1 to 1, each of `samples_per_peak` samples (the last one
    of fewer)."""

    sample_rate: int
    samples_per_peak: int
    samples: int
    peaks: list[tuple[float, float]]

    def document(self) -> dict[str, Any]:
        """Return what is told of it as JSON."""
        return {
            "version": 1,
            "sampleRate": self.sample_rate,
            "durationSeconds": round(self.samples / self.sample_rate, 6),
            "samplesPerPeak": self.samples_per_peak,
            "length": len(self.peaks),
            "peaks": [[low, high] for low, high in self.peaks],
        }

    def png(self) -> bytes:
        """Return a picture of it: 1200 x 200 pixels, the sound opaque on nothing."""
        rows = [bytearray(_WIDTH) for _ in range(_HEIGHT)]
        middle = (_HEIGHT - 1) / 2
        for x in range(_WIDTH):
            low, high = self._column(x)
            for y in range(round(middle - high * middle), round(middle - low * middle) + 1):
                rows[y][x] = 1
        return _png(rows)

    def _column(self, x: int) -> tuple[float, float]:
        count = len(self.peaks)
        if not count:
            return 0.0, 0.0
        first = x * count // _WIDTH
        part = self.peaks[first : max(first + 1, (x + 1) * count // _WIDTH)]
        return min(low for low, _ in part), max(high for _, high in part)


@dataclass(frozen=True, slots=True)
class Parts:
    """How sound is cut into parts: `frame_samples` at a time, `frames` of which make a peak."""

    frame_samples: int
    frames: int

    @property
    def samples(self) -> int:
        return self.frame_samples * self.frames

    @classmethod
    def of(cls, seconds: float, sample_rate: int, peaks: int) -> Parts:
        """Return the parts of `seconds` of sound that make about `peaks` of them, never more."""
        samples = max(1, ceil(seconds * sample_rate / peaks))
        frames = ceil(samples / MOST_SAMPLES)
        return cls(ceil(samples / frames), frames)


def gauge(parts: Parts, target: Path) -> str:
    """Return the filters that write the lowest and highest sample of each part to a file."""
    return (
        f"aformat=sample_fmts=flt,asetnsamples=n={parts.frame_samples}:p=0,"
        "astats=metadata=1:reset=1:measure_perchannel=none:measure_overall=Min_level+Max_level+Number_of_samples,"
        f"ametadata=mode=print:file={filter_path(target)}"
    )


def read_gauge(text: str, parts: Parts, sample_rate: int) -> Waveform:
    """Read what `gauge` had written."""
    frames: list[tuple[float, float]] = []
    samples, low, high = 0, 0.0, 0.0
    for name, value in _VALUE.findall(text):
        number = float(value)
        if name == "Number":
            samples += int(number)
            frames.append((_level(low), _level(high)))
        elif name == "Min":
            low = number
        else:
            high = number
    step = parts.frames
    peaks = [
        (min(low for low, _ in frames[at : at + step]), max(high for _, high in frames[at : at + step]))
        for at in range(0, len(frames), step)
    ]
    return Waveform(sample_rate, parts.samples, samples, peaks)


def _level(value: float) -> float:
    return round(min(1.0, max(-1.0, value)), 4) if value == value else 0.0  # NaN: samples that are no number


def _png(rows: list[bytearray]) -> bytes:
    """Return a picture of two colours (PNG, third edition: colour type 3, and the first colour transparent)."""
    header = struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, 8, 3, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    palette = bytes((255, 255, 255, 37, 99, 235))
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"tRNS", b"\0\xff"), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
