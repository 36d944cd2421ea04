"""What the peers of `benchmarks/vision.py` and `mixed.py` do with a picture: Pillow, MediaPipe, nothing of ours."""

from __future__ import annotations

import io
import sys
import types
from typing import Any

import numpy as np
from PIL import Image

# The peers get the small import too: only drawing helpers need these two, and without them a process is 66 MB smaller.
for _name in ("cv2", "matplotlib", "matplotlib.pyplot"):
    sys.modules.setdefault(_name, types.ModuleType(_name))
vars(sys.modules["matplotlib"]).setdefault("pyplot", sys.modules["matplotlib.pyplot"])

import mediapipe as mp  # noqa: E402
from mediapipe.tasks.python.core.base_options import BaseOptions  # noqa: E402

__all__ = ["BaseOptions", "find_hands", "mp", "open_landmarker"]


def open_landmarker(bundle: str) -> Any:
    """Return MediaPipe's hand landmarker for pictures, with our defaults: two hands, confidence 0.5."""
    vision = mp.tasks.vision
    options = vision.HandLandmarkerOptions(base_options=BaseOptions(model_asset_path=bundle), num_hands=2)
    return vision.HandLandmarker.create_from_options(options)


def find_hands(landmarker: Any, picture: bytes) -> dict[str, Any]:
    """Decode a picture in its own size, and return the hands in it as plain numbers."""
    rgb = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    found = landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(rgb)))
    return {
        "detections": [
            {"landmarks": _points(points), "worldLandmarks": _points(world), "handedness": side[0].category_name}
            for points, world, side in zip(
                found.hand_landmarks, found.hand_world_landmarks, found.handedness, strict=True
            )
        ]
    }


def _points(found: Any) -> list[dict[str, float]]:
    return [{"x": point.x, "y": point.y, "z": point.z} for point in found]
