"""How many faces are found, by their size and angle: one look at the whole picture, and the search of `anonymize`.

    python -m benchmarks.faces [--short]

Heads of the shared photos are pasted onto others (`face_scenes`): six in a picture, three people turned to either side,
from 24 to 800 pixels from brow to chin; then one at each border, part of the face outside. `before` is what
`POST /v1/vision/face-detection` does: the picture fitted into 640 x 480, one look. `after` is the search in its own
size. False alarms are what is found beside the faces that are there; in pictures without any, too.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from app.domain.landmarks import Detection
from app.vision.face_search import FaceSearch
from app.vision.tasks.face_detection import FaceDetection, FaceDetectionParams
from app.vision.tiles import count_looks
from benchmarks.face_scenes import Composer, Scene, matched
from benchmarks.media import MEDIA
from benchmarks.server import REPOSITORY
from benchmarks.table import print_heading, print_table

FACES = (24, 32, 48, 64, 96, 160, 256, 400, 800)
ANGLES = (0, 15, 30, 45, 60, 75, 90)
BORDER_FACES = (24, 40, 100, 300)
HIDDEN = (0.0, 0.2, 0.3, 0.4)
_PLAIN_BOX = (640, 480)

Find = Callable[[Image.Image], list[Detection]]


@dataclass
class Count:
    """Faces that were there, that were found, and what else was."""

    there: int = 0
    found: int = 0
    more: int = 0
    seconds: float = 0.0

    def add(self, scene: Scene, find: Find) -> None:
        began = time.perf_counter()
        seen = find(scene.picture)
        self.seconds += time.perf_counter() - began
        hits = matched(scene, seen)
        self.there += len(scene.faces)
        self.found += hits
        self.more += len(seen) - hits

    def __str__(self) -> str:
        return f"{self.found}/{self.there}" + (f" +{self.more}" if self.more else "")


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.faces", description=__doc__)
    parser.add_argument("--short", action="store_true", help="only show that it runs")
    short = parser.parse_args().short
    faces, angles = (FACES[::4], ANGLES[::3]) if short else (FACES, ANGLES)
    print_heading("benchmarks.faces", "faces found of those that are there, +false alarms")
    composer = Composer(MEDIA)
    for name, find in _finders():
        _print_grid(name, find, composer, faces, angles)
    for name, find in _finders():
        _print_border(name, find, composer)
        alarms = [len(find(picture)) for picture in composer.empty()]
        print(f"{name}: false alarms in pictures without a face: {', '.join(map(str, alarms))}\n")


def _finders() -> list[tuple[str, Find]]:
    models = REPOSITORY / os.environ.get("BALLAST_MODELS__DIR", "models")
    model = FaceDetection.load(Path(models) / FaceDetection.asset, FaceDetectionParams(64))
    search = FaceSearch(lambda rgb: model.detect(rgb).detections)

    def one_look(picture: Image.Image) -> list[Detection]:
        fitted = picture.copy()
        fitted.thumbnail(_PLAIN_BOX)
        return model.detect(np.asarray(fitted)).detections

    return [("before", one_look), ("after", search.find)]


def _print_grid(name: str, find: Find, composer: Composer, faces: Sequence[int], angles: Sequence[int]) -> None:
    rows, whole = [], Count()
    for face in faces:
        counts, size = [], (0, 0)
        row = Count()
        for angle in angles:
            scene = composer.grid(face, angle)
            size = scene.picture.size
            count = Count()
            count.add(scene, find)
            counts.append(str(count))
            for total in (row, whole):
                total.there += count.there
                total.found += count.found
                total.more += count.more
                total.seconds += count.seconds
        looks = count_looks(*size) if name == "after" else 1
        rows.append([f"{face} px in {size[0]}x{size[1]}", *counts, f"{row.seconds / len(angles):.2f} s", looks])
    print_table([name, *(f"{angle} deg" for angle in angles), "a picture", "looks"], rows)
    print(f"\n{name}: {whole.found / whole.there:.1%} of {whole.there} faces, {whole.more} false alarms\n", flush=True)


def _print_border(name: str, find: Find, composer: Composer) -> None:
    rows = []
    for face in BORDER_FACES:
        counts = []
        for hidden in HIDDEN:
            count = Count()
            for seed in range(3):
                count.add(composer.border(face, hidden, seed), find)
            counts.append(str(count))
        rows.append([f"{face} px", *counts])
    print_table([f"{name}, at the border", *(f"{hidden:.0%} outside" for hidden in HIDDEN)], rows)
    print()


if __name__ == "__main__":
    main()
