"""A fresh process that renders one picture and prints by how much its memory rose, and what was predicted.

Arguments: a warm-up picture, the picture, the query as JSON, and `0`, or `1` for the cheaper way. The warm-up picture,
of the same kind but small, loads the code and the plug-ins, which is not what a rendering costs.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from app.domain.region import Region
from app.images.engine import Engine
from app.images.params import read_transform
from app.images.plan import Wish, plans
from app.imaging.header import read_header
from app.settings import ImageSettings

FACES = (Region(0.2, 0.2, 0.3, 0.4), Region(0.7, 0.1, 0.05, 0.05))


def status_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def call(picture: bytes, query: dict[str, str], way: int) -> tuple[dict[str, Any], int]:
    """Return a call to the engine, and the bytes that are predicted for it."""
    settings = ImageSettings(max_pixels=1 << 28)
    found = plans(Wish(read_header(picture), len(picture), read_transform(query), FACES), 1.0, settings)
    plan = found[min(way, len(found) - 1)]
    descriptor = os.memfd_create("answer")
    head = {**plan.as_head(settings, None), "peakBytes": plan.formula_bytes, "descriptors": [descriptor]}
    return head, plan.formula_bytes


def main(warm_up: str, picture: str, query: str, way: str) -> None:
    engine, wanted = Engine(), json.loads(query)
    small, data = Path(warm_up).read_bytes(), Path(picture).read_bytes()
    warm = {name: value for name, value in wanted.items() if name not in ("width", "height")}
    engine.handle(call(small, warm, int(way))[0], small)
    head, predicted = call(data, wanted, int(way))
    before = status_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    engine.handle(head, data)
    sys.stdout.write(f"{status_bytes('VmHWM') - before} {predicted}")


if __name__ == "__main__":
    main(*sys.argv[1:])
