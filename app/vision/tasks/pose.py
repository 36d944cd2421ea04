"""Pose: 33 landmarks of each body, by one of two models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from app.domain.units import MIB
from app.vision.task import Found, Model, VisionTask


@dataclass(frozen=True, slots=True)
class PoseParams:
    """`model` auto: full where it is installed; where memory is tight always lite, whatever is asked for."""

    model: Literal["auto", "lite", "full"] = "auto"
    max_poses: Annotated[int, Ge(1), Le(8)] = 1
    min_confidence: Annotated[float, Ge(0), Le(1)] = 0.5


class Pose(VisionTask):
    name = "pose"
    summary = "33 landmarks of each body, in the picture and in metres"
    asset = "pose_landmarker_lite.task"
    native = "pose_landmarker"
    full_asset = "pose_landmarker_full.task"
    Params = PoseParams
    tracker_bytes = model_bytes = 98 * MIB

    @classmethod
    def resolve(cls, params: PoseParams, light: bool, present: Callable[[str], bool]) -> PoseParams:
        if params.model == "auto":
            return replace(params, model="full" if not light and present(cls.full_asset) else "lite")
        if params.model == "full" and light and present(cls.asset):
            return replace(params, model="lite")
        return params

    @classmethod
    def bundle(cls, params: PoseParams) -> str:
        return cls.full_asset if params.model == "full" else cls.asset

    @classmethod
    def load(cls, asset: Path, params: PoseParams) -> Model:
        return _open(asset, params, "IMAGE")

    @classmethod
    def load_tracker(cls, asset: Path, params: PoseParams) -> Model:
        return _open(asset, params, "VIDEO")

    @classmethod
    def connections(cls) -> Sequence[tuple[int, int]]:
        from app.vision import runtime

        return runtime.connections(runtime.vision("pose_landmarker").PoseLandmarksConnections.POSE_LANDMARKS)


def _open(asset: Path, params: PoseParams, running_mode: str) -> Model:
    from app.vision import runtime

    return runtime.open_landmarker(
        Pose.native,
        asset,
        running_mode,
        _found,
        num_poses=params.max_poses,
        min_pose_detection_confidence=params.min_confidence,
        min_pose_presence_confidence=params.min_confidence,
    )


def _found(result: Any) -> Found:
    from app.vision import runtime

    return Found(
        [
            {"landmarks": runtime.visible_landmarks(points), "worldLandmarks": runtime.visible_landmarks(world)}
            for points, world in zip(result.pose_landmarks, result.pose_world_landmarks, strict=True)
        ]
    )
