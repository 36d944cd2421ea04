"""The base of a vision task. A task is one file in `tasks/`; it is imported by the API and by the vision worker.

The module level of a task imports nothing heavy: mediapipe comes in with `load`, which only the worker calls.
"""

from __future__ import annotations

import abc
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from app.domain.landmarks import Detection
from app.registry import discover

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Model(abc.ABC):
    """A loaded model, in the worker. One call at a time."""

    @abc.abstractmethod
    def detect(self, rgb: npt.NDArray[np.uint8]) -> list[Detection]:
        """Find things in `rgb`, a C-contiguous array of shape (height, width, 3) and dtype uint8."""

    @abc.abstractmethod
    def close(self) -> None:
        """Free the native side. MediaPipe answers nothing, without an error, after this."""


class TrackingModel(abc.ABC):
    """A model that follows what it found from frame to frame of one video, in the worker."""

    @abc.abstractmethod
    def track(self, rgb: npt.NDArray[np.uint8], timestamp_ms: int) -> list[Detection]:
        """Find things in the next frame; `rgb` as for `Model.detect`, `timestamp_ms` must rise from call to call."""

    @abc.abstractmethod
    def close(self) -> None: ...


class VisionTask(abc.ABC):
    """One thing that can be found.

    Attributes:
        name: as it stands in addresses, such as `face-landmarks`.
        summary: one line for people.
        asset: file name of the model bundle (`manifest.json`).
        Params: a frozen dataclass of the request's parameters; `Annotated` with bounds of `annotated_types`.
        model_bytes: what the first loaded model takes, in bytes of the worker's resident memory.
        instance_bytes: what each further instance takes.
        tracker_bytes: what a tracker takes; 0 where the task has none.
        served_by: a task whose models answer this one too, with the same parameters.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    asset: ClassVar[str]
    Params: ClassVar[type[Any]]
    model_bytes: ClassVar[int]
    instance_bytes: ClassVar[int]
    tracker_bytes: ClassVar[int] = 0
    served_by: ClassVar[str | None] = None

    @classmethod
    @abc.abstractmethod
    def load(cls, asset: Path, params: Any) -> Model:
        """Load a model that analyses single pictures (MediaPipe's IMAGE mode)."""

    @classmethod
    def load_tracker(cls, asset: Path, params: Any) -> TrackingModel:  # noqa: ARG003 - the form of all tasks
        """Load a model that follows one video (MediaPipe's VIDEO mode); where `tracker_bytes` is not 0.

        Raises:
            LookupError: the task has none.
        """
        raise LookupError(f"{cls.name} has no tracker")

    @classmethod
    def narrow(cls, detections: list[Detection]) -> list[Detection]:
        """Return what belongs to this task of what a model of `served_by` found."""
        return detections


def vision_tasks() -> dict[str, type[VisionTask]]:
    """Return every task in `tasks/` by name."""
    return discover("app.inference.tasks", VisionTask)  # type: ignore[type-abstract]  # what it finds is concrete
