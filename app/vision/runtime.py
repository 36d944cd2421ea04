"""MediaPipe in the worker: a slim import, pictures that it reads correctly, results as plain values.

Imported by the engine and, inside their functions, by the tasks; never by the API.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.domain.landmarks import Detection, Label, Landmark
from app.vision.task import Found, Model

_PACKAGES = ("mediapipe", "mediapipe.tasks", "mediapipe.tasks.python", "mediapipe.tasks.python.vision")


def _lay_out() -> None:
    """Make MediaPipe's packages without running their code, so that only what is asked for is imported.

    They would import every task there is (3 MB of Python objects), and drawing helpers with OpenCV and matplotlib
    (66 MB), which we do not install.
    """
    path = None
    for name in _PACKAGES:
        if name not in sys.modules:
            spec = PathFinder.find_spec(name, path)
            if spec is None:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            sys.modules[name] = importlib.util.module_from_spec(spec)
        path = sys.modules[name].__path__


_lay_out()

from mediapipe.tasks.python.core.base_options import BaseOptions  # noqa: E402
from mediapipe.tasks.python.vision.core.image import Image, ImageFormat  # noqa: E402
from mediapipe.tasks.python.vision.core.vision_task_running_mode import VisionTaskRunningMode  # noqa: E402


def load_library() -> None:
    """Load MediaPipe's shared library and nothing else: a task would start the thread that it calls it from."""
    bindings = importlib.import_module("mediapipe.tasks.python.core.mediapipe_c_bindings")
    bindings.load_raw_library()


def vision(task: str) -> Any:
    """Return MediaPipe's module of a vision task, such as `hand_landmarker`."""
    return importlib.import_module(f"mediapipe.tasks.python.vision.{task}")


def open_native(module: str, asset: Path, **options: Any) -> Any:
    """Return MediaPipe's task of a module, such as `HandLandmarker` of `hand_landmarker`.

    Its bundle is mapped into memory: 14 MB less than reading it.
    """
    tasks, name = vision(module), module.title().replace("_", "")
    known = getattr(tasks, f"{name}Options")(base_options=BaseOptions(model_asset_path=str(asset)), **options)
    return getattr(tasks, name).create_from_options(known)


def open_landmarker(
    module: str, asset: Path, running_mode: str, found: Callable[[Any], Found], **options: Any
) -> Model:
    """Return a landmarker, or gesture recognizer, in IMAGE or VIDEO mode; `found` reads MediaPipe's results."""
    native = open_native(module, asset, running_mode=VisionTaskRunningMode[running_mode], **options)
    verb = "recognize" if module == "gesture_recognizer" else "detect"
    look = getattr(native, verb if running_mode == "IMAGE" else f"{verb}_for_video")
    return NativeModel(native, lambda *frame: found(look(*frame)))


def picture(rgb: npt.NDArray[np.uint8]) -> Any:
    """Return `rgb` as MediaPipe's image.

    Raises:
        ValueError: it is not a C-contiguous (height, width, 3) array of uint8. MediaPipe checks the size only and
            misreads anything else silently.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.flags.c_contiguous:
        raise ValueError(f"not a contiguous (height, width, 3) uint8 array: {rgb.shape} {rgb.dtype}")
    return Image(image_format=ImageFormat.SRGB, data=rgb)


class NativeModel(Model):
    """A MediaPipe task. `detect` has it look at one `picture`; in VIDEO mode, with the frame's timestamp."""

    def __init__(self, native: Any, detect: Callable[..., Found]) -> None:
        self._native = native
        self._detect = detect
        self._closed = False

    def detect(self, rgb: npt.NDArray[np.uint8], timestamp_ms: int | None = None) -> Found:
        if self._closed:
            raise RuntimeError("the model is closed: MediaPipe would answer nothing, without an error")
        if timestamp_ms is None:
            return self._detect(picture(rgb))
        return self._detect(picture(rgb), timestamp_ms)

    def close(self) -> None:
        self._closed = True
        self._native.close()


def connections(pairs: Iterable[Any]) -> list[tuple[int, int]]:
    """Return MediaPipe's list of connections as pairs of indexes."""
    return [(pair.start, pair.end) for pair in pairs]


def landmarks(found: Iterable[Any]) -> list[Landmark]:
    """Return landmarks as plain numbers, to 6 decimals (a thousandth of a pixel at 1000 pixels)."""
    return [{"x": round(point.x, 6), "y": round(point.y, 6), "z": round(point.z, 6)} for point in found]


def visible_landmarks(found: Sequence[Any]) -> list[Landmark]:
    """Return landmarks with the likelihood that each is seen, and not hidden behind something."""
    plain = zip(landmarks(found), found, strict=True)
    return [{**landmark, "visibility": round(point.visibility, 6)} for landmark, point in plain]


def hands(result: Any) -> list[Detection]:
    """Return the hands of a hand landmarker's or a gesture recognizer's result."""
    return [
        {"landmarks": landmarks(points), "worldLandmarks": landmarks(world), "handedness": best_label(side)}
        for points, world, side in zip(
            result.hand_landmarks, result.hand_world_landmarks, result.handedness, strict=True
        )
    ]


def best_label(categories: list[Any]) -> Label:
    """Return the first, likeliest category."""
    return {"label": categories[0].category_name, "score": round(categories[0].score, 6)}
