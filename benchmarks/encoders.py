"""How long our pictures are beside those of sharp (libvips) that look as much like what was encoded.

    python -m benchmarks.encoders [--width 800] [--short]

Each photo, made so wide, is written by sharp at three qualities; then the quality of ours is looked for whose SSIM is
the same, and the ratio of the bytes printed. Between two of our qualities the bytes are interpolated, for sharp's SSIM
seldom is one of ours. CPU is that of writing once; sharp also decodes a PNG for it. sharp is installed with IPX.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from app.imaging.encoders import Credits, encode
from app.imaging.encoding import Encoding
from benchmarks.claim import Claim, print_claims
from benchmarks.media import find_media
from benchmarks.picture_servers import install_ipx, ipx_module
from benchmarks.similarity import luma, ssim
from benchmarks.table import print_heading, print_table

TARGET = 1.03
_PHOTOS = ("two_hands_pose.jpg", "business_person.png", "astronaut.png", "thumb_up.jpg")
_QUALITIES = {"jpeg": (60, 80, 88), "webp": (60, 80, 90), "avif": (40, 50, 65), "png": (100,)}
"""Of sharp: about its default, which is the one in the middle, a lower one, and a higher one."""

_SHARP = """
const [module, source, out, wanted] = process.argv.slice(1);
const sharp = require(module);
sharp.concurrency(1);
const told = [];
(async () => {
  for (const [format, quality] of JSON.parse(wanted)) {
    const options = format === "png" ? {} : { quality };
    const before = process.cpuUsage();
    const data = await sharp(source).toFormat(format, options).toBuffer();
    const used = process.cpuUsage(before);
    require("fs").writeFileSync(`${out}/${format}-${quality}`, data);
    told.push([format, quality, (used.user + used.system) / 1000]);
  }
  console.log(JSON.stringify(told));
})();
"""


@dataclass(frozen=True, slots=True)
class Written:
    """A picture as one encoder has written it."""

    size_bytes: int
    likeness: float
    cpu_ms: float


class Photo:
    """One photo, and what becomes of it."""

    def __init__(self, name: str, width: int) -> None:
        with Image.open(find_media(name)) as opened:
            whole = opened.convert("RGB")
        size = (width, round(whole.height * width / whole.width))
        self.image = whole.resize(size, Image.Resampling.LANCZOS)
        self._plane = luma(np.asarray(self.image))
        self.ours = lru_cache(maxsize=None)(self._ours)

    def sharps(self) -> dict[tuple[str, int], Written]:
        """Return what sharp makes of it, by format and quality."""
        wanted = [(name, quality) for name, qualities in _QUALITIES.items() for quality in qualities]
        with tempfile.TemporaryDirectory(prefix="bench-encoders-") as folder:
            source = Path(folder) / "source.png"
            self.image.save(source, compress_level=1)
            command = ["node", "-e", _SHARP, str(ipx_module("sharp")), str(source), folder, json.dumps(wanted)]
            told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            return {
                (name, quality): self._written((Path(folder) / f"{name}-{quality}").read_bytes(), cpu_ms)
                for name, quality, cpu_ms in told
            }

    def _ours(self, name: str, quality: int) -> Written:
        descriptor = os.memfd_create("answer", os.MFD_CLOEXEC)
        try:
            os.ftruncate(descriptor, 1 << 26)
            began = time.process_time()
            encoding = Encoding.of(name, quality, lossless=False, effort=1.0, crisp=False)
            size_bytes = encode(self.image.copy(), encoding, Credits(), descriptor)
            cpu_ms = (time.process_time() - began) * 1000
            return self._written(os.pread(descriptor, size_bytes, 0), cpu_ms)
        finally:
            os.close(descriptor)

    def _written(self, data: bytes, cpu_ms: float) -> Written:
        with Image.open(io.BytesIO(data)) as opened:
            plane = luma(np.asarray(opened.convert("RGB")))
        return Written(len(data), ssim(self._plane, plane), cpu_ms)


def equal_quality(ours: Callable[[int], Written], likeness: float) -> tuple[float, float]:
    """Return the quality (1 to 100) at which a picture of ours is so like its original, and its bytes there.

    Raises:
        ValueError: at no quality it is.
    """
    low, high = 1, 100
    if not ours(low).likeness <= likeness <= ours(high).likeness:
        raise ValueError(f"no quality has an SSIM of {likeness:.4f}")
    while high - low > 1:
        middle = (low + high) // 2
        if ours(middle).likeness <= likeness:
            low = middle
        else:
            high = middle
    below, above = ours(low), ours(high)
    gap = above.likeness - below.likeness
    share = (likeness - below.likeness) / gap if gap > 0 else 0.0
    return low + share, math.exp((1 - share) * math.log(below.size_bytes) + share * math.log(above.size_bytes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=800)
    parser.add_argument("--short", action="store_true", help="only show that it runs")
    arguments = parser.parse_args()
    print_heading("benchmarks.encoders", f"bytes at equal SSIM, photos {arguments.width} pixels wide, beside sharp's")
    if not install_ipx(install=not arguments.short):
        return
    width, names = (160, _PHOTOS[:1]) if arguments.short else (arguments.width, _PHOTOS)
    rows: list[list[str]] = []
    ratios: dict[str, list[float]] = {name: [] for name in _QUALITIES}
    for photo_name, photo in ((name, Photo(name, width)) for name in names):
        for (name, quality), sharps in photo.sharps().items():
            row, ratio = _compared(photo, name, quality, sharps)
            rows.append([photo_name, *row])
            ratios[name].append(ratio)
    rows.sort(key=lambda row: row[1])
    theirs, own = ["sharp's quality", "SSIM", "bytes", "CPU ms"], ["our quality", "bytes", "CPU ms", "ratio"]
    print_table(["photo", "format", *theirs, *own], rows)
    print()
    print_claims(
        [Claim(f"{name}: our bytes over sharp's", found, "", TARGET, digits=3) for name, found in ratios.items()]
    )


def _compared(photo: Photo, name: str, quality: int, sharps: Written) -> tuple[list[str], float]:
    if name == "png":  # loses nothing
        equal, size_bytes = 100.0, float(photo.ours(name, 100).size_bytes)
    else:
        equal, size_bytes = equal_quality(lambda wanted: photo.ours(name, wanted), sharps.likeness)
    ours = photo.ours(name, round(equal))
    ratio = size_bytes / sharps.size_bytes
    row = [name, str(quality), f"{sharps.likeness:.4f}", str(sharps.size_bytes), f"{sharps.cpu_ms:.0f}"]
    return [*row, f"{equal:.1f}", f"{size_bytes:.0f}", f"{ours.cpu_ms:.0f}", f"{ratio:.3f}"], ratio


if __name__ == "__main__":
    main()
