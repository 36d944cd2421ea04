"""Gestures: hands, and what each of them shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Le

from app.domain.units import MIB
from app.vision.task import Found, Model, VisionTask


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
    native = "gesture_recognizer"
    Params = GesturesParams
    tracker_bytes = model_bytes = 64 * MIB

    @classmethod
    def load(cls, asset: Path, params: GesturesParams) -> Model:
        return _open(asset, params, "IMAGE")

    @classmethod
    def load_tracker(cls, asset: Path, params: GesturesParams) -> Model:
        return _open(asset, params, "VIDEO")

    @classmethod
    def connections(cls) -> Sequence[tuple[int, int]]:
        from app.vision import runtime

        return runtime.connections(runtime.vision("hand_landmarker").HandLandmarksConnections.HAND_CONNECTIONS)


def _open(asset: Path, params: GesturesParams, running_mode: str) -> Model:
    from app.vision import runtime

    return runtime.open_landmarker(
        Gestures.native,
        asset,
        running_mode,
        _found,
        num_hands=params.max_hands,
        min_hand_detection_confidence=params.min_confidence,
        min_hand_presence_confidence=params.min_confidence,
    )


def _found(result: Any) -> Found:
    from app.vision import runtime

    hands = runtime.hands(result)
    for hand, gesture in zip(hands, result.gestures, strict=True):
        hand["gesture"] = runtime.best_label(gesture)
    return Found(hands)
