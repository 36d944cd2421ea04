"""Face landmarks: the mesh of each face, and what it expresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Le

from app.domain.landmarks import Detection
from app.domain.units import MIB
from app.vision.task import Found, Model, VisionTask


@dataclass(frozen=True, slots=True)
class FaceLandmarksParams:
    max_faces: Annotated[int, Ge(1), Le(16)] = 4
    min_confidence: Annotated[float, Ge(0), Le(1)] = 0.5
    blendshapes: bool = False


class FaceLandmarks(VisionTask):
    name = "face-landmarks"
    summary = "478 landmarks of each face and, with blendshapes=true, its 52 expressions"
    asset = "face_landmarker.task"
    native = "face_landmarker"
    Params = FaceLandmarksParams
    tracker_bytes = model_bytes = 49 * MIB

    @classmethod
    def load(cls, asset: Path, params: FaceLandmarksParams) -> Model:
        return _open(asset, params, "IMAGE")

    @classmethod
    def load_tracker(cls, asset: Path, params: FaceLandmarksParams) -> Model:
        return _open(asset, params, "VIDEO")

    @classmethod
    def connections(cls) -> Sequence[tuple[int, int]]:
        from app.vision import runtime

        return runtime.connections(runtime.vision("face_landmarker").FaceLandmarksConnections.FACE_LANDMARKS_CONTOURS)


def _open(asset: Path, params: FaceLandmarksParams, running_mode: str) -> Model:
    from app.vision import runtime

    return runtime.open_landmarker(
        FaceLandmarks.native,
        asset,
        running_mode,
        _found,
        num_faces=params.max_faces,
        min_face_detection_confidence=params.min_confidence,
        min_face_presence_confidence=params.min_confidence,
        output_face_blendshapes=params.blendshapes,
    )


def _found(result: Any) -> Found:
    from app.vision import runtime

    faces: list[Detection] = [{"landmarks": runtime.landmarks(points)} for points in result.face_landmarks]
    for face, shapes in zip(faces, result.face_blendshapes or (), strict=False):
        face["blendshapes"] = {shape.category_name: round(shape.score, 6) for shape in shapes}
    return Found(faces)
