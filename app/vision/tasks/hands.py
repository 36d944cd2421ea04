"""Hands: 21 landmarks of each hand, and which hand it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le

from app.domain.landmarks import Detection
from app.domain.units import MIB
from app.vision.task import Found, Model, VisionTask


@dataclass(frozen=True, slots=True)
class HandsParams:
    max_hands: Annotated[int, Ge(1), Le(8)] = 2
    min_confidence: Annotated[float, Ge(0), Le(1)] = 0.5


class Hands(VisionTask):
    name = "hands"
    summary = "21 landmarks of each hand, in the picture and in metres, and which hand it is"
    asset = "hand_landmarker.task"
    native = "hand_landmarker"
    Params = HandsParams
    tracker_bytes = model_bytes = 61 * MIB
    served_by = "gestures"

    @classmethod
    def load(cls, asset: Path, params: HandsParams) -> Model:
        return _open(asset, params, "IMAGE")

    @classmethod
    def load_tracker(cls, asset: Path, params: HandsParams) -> Model:
        return _open(asset, params, "VIDEO")

    @classmethod
    def narrow(cls, detections: list[Detection]) -> list[Detection]:
        for detection in detections:
            detection.pop("gesture", None)
        return detections

    @classmethod
    def connections(cls) -> Sequence[tuple[int, int]]:
        from app.vision import runtime

        return runtime.connections(runtime.vision("hand_landmarker").HandLandmarksConnections.HAND_CONNECTIONS)


def _open(asset: Path, params: HandsParams, running_mode: str) -> Model:
    from app.vision import runtime

    return runtime.open_landmarker(
        Hands.native,
        asset,
        running_mode,
        lambda result: Found(runtime.hands(result)),
        num_hands=params.max_hands,
        min_hand_detection_confidence=params.min_confidence,
        min_hand_presence_confidence=params.min_confidence,
    )
