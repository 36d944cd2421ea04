"""Hands: 21 landmarks of each hand, and which hand it is."""

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
class HandsParams:
    max_hands: Annotated[int, Ge(1), Le(8)] = 2
    min_confidence: Annotated[float, Ge(0), Le(1)] = 0.5


class Hands(VisionTask):
    name = "hands"
    summary = "21 landmarks of each hand, in the picture and in metres, and which hand it is"
    asset = "hand_landmarker.task"
    Params = HandsParams
    # Measured with mediapipe 1.2.2: 35 MB after import, 124 after the first call; each further one +41.
    model_bytes = 90 * MIB
    tracker_bytes = instance_bytes = 41 * MIB
    served_by = "gestures"

    @classmethod
    def load(cls, asset: Path, params: HandsParams) -> Model:
        return HandModel(_open(asset, params, "IMAGE"))

    @classmethod
    def load_tracker(cls, asset: Path, params: HandsParams) -> TrackingModel:
        return HandTracker(_open(asset, params, "VIDEO"))

    @classmethod
    def narrow(cls, detections: list[Detection]) -> list[Detection]:
        for detection in detections:
            detection.pop("gesture", None)
        return detections


class HandModel(Model):
    def __init__(self, landmarker: Any) -> None:
        self._landmarker = landmarker

    def detect(self, rgb: npt.NDArray[np.uint8]) -> list[Detection]:
        from app.inference import runtime

        return _detections(self._landmarker.detect(runtime.picture(rgb)))

    def close(self) -> None:
        self._landmarker.close()


class HandTracker(TrackingModel):
    def __init__(self, landmarker: Any) -> None:
        self._landmarker = landmarker

    def track(self, rgb: npt.NDArray[np.uint8], timestamp_ms: int) -> list[Detection]:
        from app.inference import runtime

        return _detections(self._landmarker.detect_for_video(runtime.picture(rgb), timestamp_ms))

    def close(self) -> None:
        self._landmarker.close()


def _open(asset: Path, params: HandsParams, running_mode: str) -> Any:
    from app.inference import runtime

    options = runtime.vision.HandLandmarkerOptions(
        base_options=runtime.base_options(asset),
        running_mode=runtime.vision.RunningMode[running_mode],
        num_hands=params.max_hands,
        min_hand_detection_confidence=params.min_confidence,
        min_hand_presence_confidence=params.min_confidence,
    )
    return runtime.vision.HandLandmarker.create_from_options(options)


def _detections(found: Any) -> list[Detection]:
    from app.inference import runtime

    return [
        {
            "landmarks": runtime.landmarks(points),
            "worldLandmarks": runtime.landmarks(world),
            "handedness": runtime.best_label(side),
        }
        for points, world, side in zip(found.hand_landmarks, found.hand_world_landmarks, found.handedness, strict=True)
    ]
