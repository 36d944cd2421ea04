"""Faces of any size, turned ones too: the short-range detector over tiles at several scales. Child side."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from app.domain.landmarks import Detection
from app.vision.close_look import CloseLook
from app.vision.same_face import distinct
from app.vision.search_cost import CLOSE_LOOKS
from app.vision.tiles import Level, Tile, levels

Rgb = npt.NDArray[np.uint8]

Look = Callable[[Rgb], list[Detection]]
"""A detector for near faces: what it finds in a small C-contiguous uint8 (H, W, 3), at a confidence of 0.5."""

_FLAT = 3.0
"""Standard deviation, of 255, below which a tile shows nothing: one with a face has more than 10, a clear sky 2."""

_EVERY = 3
_SLACK = 0.1


class FaceSearch:
    """Looks at each tile of each level of a picture, and closely at whatever looks like a face; counts each once.

    It looks `tiles.count_looks` times and at most `CLOSE_LOOKS` times more, and takes beside the picture
    `search_cost.search_bytes`. Recall and false alarms: `python -m benchmarks.faces`.
    """

    def __init__(self, look: Look) -> None:
        self._look = look

    def find(self, image: Image.Image) -> list[Detection]:
        """Return the faces in an upright RGB picture, surest first: from 24 pixels (brow to chin) on, at any angle."""
        close = CloseLook(self._look, CLOSE_LOOKS)
        faces: list[Detection] = []
        for level in levels(*image.size):
            if level.scale > 1:
                image = image.reduce(2)
            likely = distinct(self._likely(image, level))
            faces += (sure for one in likely if (sure := close.at(image, one)) is not None)
        return distinct(faces)

    def _likely(self, image: Image.Image, level: Level) -> Iterator[Detection]:
        for tile in level.tiles():
            seen = np.asarray(image.crop((tile.left, tile.top, tile.right, tile.bottom)))
            if seen[::_EVERY, ::_EVERY].std() < _FLAT:
                continue
            for face in self._look(seen):
                if _is_whole(face, tile, level):
                    yield _placed(face, tile, level)


def _is_whole(face: Detection, tile: Tile, level: Level) -> bool:
    """Whether no edge of the tile cuts the face, but for those at the border of the picture."""
    box = face["box"]
    slack = _SLACK * box["width"]
    return (
        (box["x"] >= -slack or tile.left <= 0)
        and (box["y"] >= -slack or tile.top <= 0)
        and (box["x"] + box["width"] <= 1 + slack or tile.right >= level.width)
        and (box["y"] + box["height"] <= 1 + slack or tile.bottom >= level.height)
    )


def _placed(face: Detection, tile: Tile, level: Level) -> Detection:
    """Return a face of a tile as part of the picture."""
    across, down = tile.side / level.width, tile.side / level.height
    left, top = tile.left / level.width, tile.top / level.height
    box = face["box"]
    return {
        "landmarks": [
            {"x": left + point["x"] * across, "y": top + point["y"] * down, "z": 0.0} for point in face["landmarks"]
        ],
        "box": {
            "x": left + box["x"] * across,
            "y": top + box["y"] * down,
            "width": box["width"] * across,
            "height": box["height"] * down,
        },
        "score": face["score"],
    }
