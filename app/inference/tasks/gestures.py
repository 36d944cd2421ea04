"""Gestures: hands, and what each of them shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le

from app.domain.landmarks import Detection
from app.domain.units import MIB
from app.inference.task import Model, TrackingModel, VisionTask

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class GesturesParams:
    max_hands: Annotated[int, Ge(1), Le(8)] = 2
    min_confidence: Annotated[float, Ge(0), Le(1)] = 0.5


class Gestures(VisionTask):
    name = "gestures"
    summary = (
        "hands, and the gesture of each: None, Closed_Fist, Open_Palm, Pointing_Up, Thumb_Down, Thumb_Up, Victory, "
        "ILoveYou"
    )
    asset = "gesture_recognizer.task"
    Params = GesturesParams
    # Measured with mediapipe 1.2.2: 35 MB after import, 127 after the first call; each further one +43.
    model_bytes = 93 * MIB
    tracker_bytes = instance_bytes = 43 * MIB

    @classmethod
    def load(cls, asset: Path, params: GesturesParams) -> Model:
        return GestureModel(_open(asset, params, "IMAGE"))

    @classmethod
    def load_tracker(cls, asset: Path, params: GesturesParams) -> TrackingModel:
        return GestureTracker(_open(asset, params, "VIDEO"))


class GestureModel(Model):
    def __init__(self, recognizer: Any) -> None:
        self._recognizer = recognizer

    def detect(self, rgb: npt.NDArray[np.uint8]) -> list[Detection]:
        from app.inference import runtime

        return _detections(self._recognizer.recognize(runtime.picture(rgb)))

    def close(self) -> None:
        self._recognizer.close()


class GestureTracker(TrackingModel):
    def __init__(self, recognizer: Any) -> None:
        self._recognizer = recognizer

    def track(self, rgb: npt.NDArray[np.uint8], timestamp_ms: int) -> list[Detection]:
        from app.inference import runtime

        return _detections(self._recognizer.recognize_for_video(runtime.picture(rgb), timestamp_ms))

    def close(self) -> None:
        self._recognizer.close()


def _open(asset: Path, params: GesturesParams, running_mode: str) -> Any:
    from app.inference import runtime

    options = runtime.vision.GestureRecognizerOptions(
        base_options=runtime.base_options(asset),
        running_mode=runtime.vision.RunningMode[running_mode],
        num_hands=params.max_hands,
        min_hand_detection_confidence=params.min_confidence,
        min_hand_presence_confidence=params.min_confidence,
    )
    return runtime.vision.GestureRecognizer.create_from_options(options)


def _detections(found: Any) -> list[Detection]:
    from app.inference import runtime

    return [
        {
            "landmarks": runtime.landmarks(points),
            "worldLandmarks": runtime.landmarks(world),
            "handedness": runtime.best_label(side),
            "gesture": runtime.best_label(gesture),
        }
        for points, world, side, gesture in zip(
            found.hand_landmarks, found.hand_world_landmarks, found.handedness, found.gestures, strict=True
        )
    ]
