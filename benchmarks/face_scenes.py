"""Pictures with faces whose size, angle and place are known: heads of the test photos, pasted onto others."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFilter

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Head:
    """A head in a photo: the middle of its face and the face's width, from brow to chin, in pixels of the photo."""

    photo: str
    middle: Point
    face: float


HEADS = (
    Head("astronaut.png", (224, 128), 98),
    Head("business_person.png", (500, 340), 250),
    Head("two_hands_pose.jpg", (337, 105), 80),
)

GROUNDS = (("two_hands_pose.jpg", (0, 160, 960, 640)), ("thumb_up.jpg", (0, 0, 640, 521)))
"""Photos, and the part of each, that heads are pasted onto: stones and clothes, a hand before a wall."""

_HALF_WIDTH, _HALF_HEIGHT, _RAISED = 0.95, 1.2, 0.3
"""The ellipse that is cut out of a photo, in widths of the face: with hair and chin."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A face in a scene, in pixels; `angle` in degrees, clockwise."""

    head: Head
    middle: Point
    face: float
    angle: float


@dataclass(frozen=True, slots=True)
class Scene:
    picture: Image.Image
    faces: tuple[Placed, ...]


class Composer:
    """Makes scenes of the photos in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._photos: dict[str, Image.Image] = {}

    def grid(self, face: float, angle: float, seed: int = 0) -> Scene:
        """Return a scene with every head twice, `face` pixels wide: turned by `angle` and by minus `angle`."""
        chance = random.Random(f"{face} {angle} {seed}")
        cell = max(400, 2.4 * face)
        room = max(0.0, cell - 2.4 * face) / 2
        placed = []
        for row, turn in enumerate((angle, -angle)):
            for column, head in enumerate(HEADS):
                x, y = ((side + 0.5) * cell + chance.uniform(-room, room) for side in (column, row))
                placed.append(Placed(head, (x, y), face, turn))
        return self.compose((round(3 * cell), round(2 * cell)), placed, seed)

    def border(self, face: float, hidden: float, seed: int = 0) -> Scene:
        """Return a scene with a head at each border, of whose face the part `hidden` is outside."""
        side = round(max(500, 5 * face))
        inside = face * (0.5 - hidden)
        middles = ((inside, side / 2), (side - inside, side / 2), (side / 2, side - inside), (side / 2, inside))
        placed = [Placed(HEADS[(index + seed) % len(HEADS)], middle, face, 0.0) for index, middle in enumerate(middles)]
        return self.compose((side, side), placed, seed)

    def empty(self) -> Iterator[Image.Image]:
        """Yield pictures of 1280 x 960 without a face."""
        for seed in range(len(GROUNDS)):
            yield self.compose((1280, 960), (), seed).picture

    def compose(self, size: tuple[int, int], faces: Sequence[Placed], seed: int = 0) -> Scene:
        """Return a scene of this size; `seed` chooses what is behind the heads."""
        name, part = GROUNDS[seed % len(GROUNDS)]
        picture = self._photo(name).crop(part).resize(size, Image.Resampling.BICUBIC)
        for face in faces:
            self._paste(picture, face)
        return Scene(picture, tuple(faces))

    def _paste(self, picture: Image.Image, placed: Placed) -> None:
        reach = math.ceil(placed.face * (_HALF_HEIGHT + _RAISED)) + 2
        corner = (math.floor(placed.middle[0]) - reach, math.floor(placed.middle[1]) - reach)
        side = 2 * reach
        photo, scale = self._photo(placed.head.photo), placed.head.face / placed.face
        shrink = max(1, int(scale))
        photo = photo.reduce(shrink)
        turned = math.radians(placed.angle)
        cos, sin = math.cos(turned) * scale / shrink, math.sin(turned) * scale / shrink
        at = (placed.middle[0] - corner[0], placed.middle[1] - corner[1])
        x, y = placed.head.middle[0] / shrink, placed.head.middle[1] / shrink
        matrix = (cos, sin, x - cos * at[0] - sin * at[1], -sin, cos, y + sin * at[0] - cos * at[1])
        mask = _oval(photo.size, (x, y), placed.head.face / shrink)
        cut = [
            one.transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
            for one in (photo, mask)
        ]
        picture.paste(cut[0], corner, cut[1])

    def _photo(self, name: str) -> Image.Image:
        if name not in self._photos:
            with Image.open(self._folder / name) as opened:
                self._photos[name] = opened.convert("RGB")
        return self._photos[name]


def _oval(size: tuple[int, int], middle: Point, face: float) -> Image.Image:
    """Return where a photo shows the head, with a soft edge."""
    mask = Image.new("L", size)
    across, down, raised = _HALF_WIDTH * face, _HALF_HEIGHT * face, _RAISED * face
    x, y = middle[0], middle[1] - raised
    ImageDraw.Draw(mask).ellipse((x - across, y - down, x + across, y + down), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(face / 20))


def matched(scene: Scene, found: Sequence[Mapping[str, Any]]) -> int:
    """Return how many faces of a scene are among detections: near its middle, and of its size but for a factor of 2."""
    width, height = scene.picture.size
    boxes = [detection["box"] for detection in found]
    hits = 0
    for placed in scene.faces:
        for box in boxes:
            middle = ((box["x"] + box["width"] / 2) * width, (box["y"] + box["height"] / 2) * height)
            ratio = box["width"] * width / placed.face
            if math.dist(middle, placed.middle) < placed.face / 2 and 0.5 < ratio < 2.2:
                boxes.remove(box)
                hits += 1
                break
    return hits
