"""The base of a vision task. A task is one file in `tasks/`; it is imported by the API and by the vision worker.

The module level of a task imports nothing heavy: mediapipe comes in with `load`, which only the worker calls.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from app.domain.landmarks import Detection
from app.domain.sketch import Sketch
from app.registry import discover

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image


@dataclass(frozen=True, slots=True)
class Found:
    """What a model found in one picture.

    `mask` is there where the task has one: uint8 of the analysed (height, width), 255 where it certainly shows people.
    """

    detections: list[Detection]
    mask: npt.NDArray[np.uint8] | None = None


class Model(abc.ABC):
    """A loaded model, in the worker. One call at a time."""

    @abc.abstractmethod
    def detect(self, rgb: npt.NDArray[np.uint8], timestamp_ms: int | None = None) -> Found:
        """Find things in `rgb`, a C-contiguous array of shape (height, width, 3) and dtype uint8.

        A tracker also needs the frame's `timestamp_ms`, which must rise from call to call.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Free the native side. After this MediaPipe answers nothing, without an error."""


class VisionTask(abc.ABC):
    """One thing that can be found.

    Attributes:
        name: as it stands in addresses, such as `face-landmarks`.
        summary: one line for people.
        asset: file name of the model bundle (`manifest.json`); without it the task is missing.
        Params: a frozen dataclass of the request's parameters; `Annotated` with bounds of `annotated_types`.
        native: MediaPipe's module, such as `hand_landmarker`; the zygote imports it.
        model_bytes: what a child takes that has loaded it and has answered, forked from the zygote: the most
            expensive one where the parameters choose among several.
        tracker_bytes: what a child with a tracker takes; 0 where the task has none.
        served_by: a task whose models answer this one too, with the same parameters.
        has_mask: whether what it finds is a mask (`Found.mask`).
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    asset: ClassVar[str]
    Params: ClassVar[type[Any]]
    native: ClassVar[str] = ""
    model_bytes: ClassVar[int]
    tracker_bytes: ClassVar[int] = 0
    served_by: ClassVar[str | None] = None
    has_mask: ClassVar[bool] = False

    @classmethod
    def resolve(cls, params: Any, light: bool, present: Callable[[str], bool]) -> Any:  # noqa: ARG003 - see `Pose`
        """Return `params` with nothing left open: which of several models is meant.

        `light` asks for the one that takes least memory; `present` tells whether a bundle is installed.
        """
        return params

    @classmethod
    def bundle(cls, params: Any) -> str:  # noqa: ARG003 - part of the interface
        """Return the file name of the model bundle that resolved parameters need."""
        return cls.asset

    @classmethod
    @abc.abstractmethod
    def load(cls, asset: Path, params: Any) -> Model:
        """Load a model that analyses single pictures (MediaPipe's IMAGE mode)."""

    @classmethod
    def load_tracker(cls, asset: Path, params: Any) -> Model:  # noqa: ARG003 - part of the interface
        """Load a model that follows one video (MediaPipe's VIDEO mode); where `tracker_bytes` is not 0.

        Raises:
            LookupError: the task has none.
        """
        raise LookupError(f"{cls.name} has no tracker")

    @classmethod
    def search(cls, model: Model, image: Image.Image) -> list[Detection]:  # noqa: ARG003 - part of the interface
        """Have a model look at an upright RGB picture in detail, part by part, so that nothing is too small for it.

        Raises:
            LookupError: the task has no way of doing that.
        """
        raise LookupError(f"{cls.name} does not search")

    @classmethod
    def find_again(
        cls,
        model: Model,  # noqa: ARG003 - part of the interface
        image: Image.Image,  # noqa: ARG003
        known: Sequence[Detection],  # noqa: ARG003
    ) -> list[Detection | None]:
        """Have a model look closely at where each of the `known` was in the frame before; None: it is not there.

        Raises:
            LookupError: the task has no way of doing that.
        """
        raise LookupError(f"{cls.name} does not follow")

    @classmethod
    def narrow(cls, detections: list[Detection]) -> list[Detection]:
        """Return what belongs to this task of what a model of `served_by` found."""
        return detections

    @classmethod
    def connections(cls) -> Sequence[tuple[int, int]]:
        """Return the pairs of landmarks between which a line is drawn; called in the worker."""
        return ()

    @classmethod
    def sketches(cls, detections: list[Detection]) -> list[Sketch]:
        """Return how each detection is drawn; called in the worker."""
        lines = cls.connections()
        return [_sketch(detection, lines) for detection in detections]


def _sketch(detection: Detection, lines: Sequence[tuple[int, int]]) -> Sketch:
    points = [(point["x"], point["y"]) for point in detection["landmarks"]]
    box = detection.get("box")
    return Sketch(
        points=points,
        connections=lines if points else (),
        box=(box["x"], box["y"], box["width"], box["height"]) if box is not None else None,
        label=_label(detection),
    )


def _label(detection: Detection) -> str:
    texts = [label["label"] for label in (detection.get("handedness"), detection.get("gesture")) if label is not None]
    if "score" in detection:
        texts.append(f"{detection['score']:.0%}")
    if "mask" in detection:
        texts.append(f"{detection['mask']['coverage']:.0%}")
    return " ".join(texts)


def vision_tasks() -> dict[str, type[VisionTask]]:
    """Return every task in `tasks/` by name."""
    return discover("app.vision.tasks", VisionTask)  # type: ignore[type-abstract]  # what it finds is concrete
