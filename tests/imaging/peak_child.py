"""A fresh process that decodes one picture and prints by how much its memory rose.

Arguments: a warm-up picture, the picture, and `fitted`, `full` or `image`.
The warm-up picture, of the same kind but small, loads the code and the plug-ins, which is not what a decode costs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from app.domain.analysis_size import AnalysisSize
from app.imaging.decode import FOR_EYES, decode_image, decode_picture, to_rgb
from app.imaging.header import read_header
from app.imaging.opened import open_image

BOX = AnalysisSize(640, 480)


def status_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def decode(data: bytes, mode: str) -> object:
    if mode == "fitted":
        return decode_picture(data, BOX, 1 << 28)
    if mode == "image":
        return decode_image(data, AnalysisSize(4096, 4096), 1 << 28, FOR_EYES)
    image = open_image(data, read_header(data))
    image.load()
    return to_rgb(image, image.size, Image.Resampling.NEAREST)


def main(warm_up: str, picture: str, mode: str) -> None:
    decode(Path(warm_up).read_bytes(), mode)
    data = Path(picture).read_bytes()
    before = status_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    decode(data, mode)
    sys.stdout.write(str(status_bytes("VmHWM") - before))


if __name__ == "__main__":
    main(*sys.argv[1:])
