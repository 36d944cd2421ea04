"""MediaPipe in the worker: imported slim, fed with pictures it reads rightly, its results made plain.

Imported by the engine and, inside their functions, by the tasks; never by the API.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.domain.landmarks import Label, Landmark
from app.inference.task import Found, Model, TrackingModel

# Only MediaPipe's drawing helpers use these two; without them the worker is 66 MB smaller. Of its own packages the ones
# that are not for vision are as little of use: 2 MB.
_UNUSED = ("cv2", "matplotlib", "matplotlib.pyplot")
_NOT_VISION = ("audio", "decision", "retrieval", "text")
for _name in (*_UNUSED, *(f"mediapipe.tasks.python.{package}" for package in _NOT_VISION)):
    sys.modules.setdefault(_name, types.ModuleType(_name))
vars(sys.modules["matplotlib"]).setdefault("pyplot", sys.modules["matplotlib.pyplot"])

import mediapipe as mp  # noqa: E402
from mediapipe.tasks.python.core.base_options import BaseOptions  # noqa: E402

vision = mp.tasks.vision


def base_options(asset: Path) -> Any:
    """Return options that map the bundle into memory (14 MB less than reading it)."""
    return BaseOptions(model_asset_path=str(asset))


def picture(rgb: npt.NDArray[np.uint8]) -> Any:
    """Return `rgb` as MediaPipe's image.

    Raises:
        ValueError: it is not a C-contiguous (height, width, 3) array of uint8. MediaPipe checks the size only and
            misreads anything else silently.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.flags.c_contiguous:
        raise ValueError(f"not a contiguous (height, width, 3) uint8 array: {rgb.shape} {rgb.dtype}")
    return mp.Image(image_format=mp.ImageFormat.SRGB, data=rgb)


class NativeModel(Model):
    """A MediaPipe task in IMAGE mode. `detect` has it look at one `picture`."""

    def __init__(self, native: Any, detect: Callable[[Any], Found]) -> None:
        self._native = native
        self._detect = detect
        self._closed = False

    def detect(self, rgb: npt.NDArray[np.uint8]) -> Found:
        _check_open(self._closed)
        return self._detect(picture(rgb))

    def close(self) -> None:
        self._closed = True
        self._native.close()


class NativeTracker(TrackingModel):
    """A MediaPipe task in VIDEO mode. `track` has it look at the next `picture`, with its timestamp."""

    def __init__(self, native: Any, track: Callable[[Any, int], Found]) -> None:
        self._native = native
        self._track = track
        self._closed = False

    def track(self, rgb: npt.NDArray[np.uint8], timestamp_ms: int) -> Found:
        _check_open(self._closed)
        return self._track(picture(rgb), timestamp_ms)

    def close(self) -> None:
        self._closed = True
        self._native.close()


def _check_open(closed: bool) -> None:
    if closed:
        raise RuntimeError("the model is closed: MediaPipe would answer nothing, without an error")


def connections(pairs: Iterable[Any]) -> list[tuple[int, int]]:
    """Return MediaPipe's list of connections as pairs of indexes."""
    return [(pair.start, pair.end) for pair in pairs]


def landmarks(found: Iterable[Any]) -> list[Landmark]:
    """Return landmarks as plain numbers, to 6 decimals (a thousandth of a pixel at 1000 pixels)."""
    return [{"x": round(point.x, 6), "y": round(point.y, 6), "z": round(point.z, 6)} for point in found]


def visible_landmarks(found: Iterable[Any]) -> list[Landmark]:
    """Return landmarks with the likelihood that each is seen, and not hidden behind something."""
    return [
        {
            "x": round(point.x, 6),
            "y": round(point.y, 6),
            "z": round(point.z, 6),
            "visibility": round(point.visibility, 6),
        }
        for point in found
    ]


def best_label(categories: list[Any]) -> Label:
    """Return the first, likeliest category."""
    return {"label": categories[0].category_name, "score": round(categories[0].score, 6)}
