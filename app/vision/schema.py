"""JSON shapes, camelCase outside. Hot answers are written elsewhere; a test holds them against these."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, JsonValue

from app.domain.pressure import ProcessingMode
from app.http.schema import Schema


class LandmarkSchema(Schema):
    """Normalised to 0..1 of width and height; `z` is depth in units of the width. World landmarks are in metres."""

    x: float
    y: float
    z: float
    visibility: float | None = None


class LabelSchema(Schema):
    label: str
    score: float


class BoxSchema(Schema):
    x: float
    y: float
    width: float
    height: float


class MaskSchema(Schema):
    """Size of the mask, and the part of the picture that it covers; `png` is the mask itself in base64."""

    width: int
    height: int
    coverage: float
    png: str | None = None


class DetectionSchema(Schema):
    """One hand, face or body, or the pixels that show people; members that a task does not give are absent."""

    landmarks: list[LandmarkSchema]
    world_landmarks: list[LandmarkSchema] | None = None
    handedness: LabelSchema | None = None
    gesture: LabelSchema | None = None
    box: BoxSchema | None = None
    score: float | None = None
    blendshapes: dict[str, float] | None = None
    mask: MaskSchema | None = None


class TimingSchema(Schema):
    queued_seconds: float
    decode_seconds: float
    inference_seconds: float


_EXAMPLE: dict[str, JsonValue] = {
    "task": "face-detection",
    "model": "face_detector.task",
    "width": 1280,
    "height": 720,
    "analyzedWidth": 640,
    "analyzedHeight": 360,
    "mode": "FULL_QUALITY",
    "detections": [
        {
            "landmarks": [{"x": 0.41, "y": 0.32, "z": 0.0}, {"x": 0.48, "y": 0.31, "z": 0.0}],
            "box": {"x": 0.36, "y": 0.2, "width": 0.18, "height": 0.31},
            "score": 0.94,
        }
    ],
    "timing": {"queuedSeconds": 0.0, "decodeSeconds": 0.004, "inferenceSeconds": 0.011},
}


class AnalysisSchema(Schema):
    """What was found in one picture, by which model and in which processing mode.

    `reduced` is there where memory allowed only a smaller analysis size, `cached` where it was found before.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    task: str
    model: str
    width: int
    height: int
    analyzed_width: int
    analyzed_height: int
    mode: ProcessingMode
    reduced: bool | None = None
    cached: bool | None = None
    detections: list[DetectionSchema]
    timing: TimingSchema


class BatchResultSchema(AnalysisSchema):
    """What was found in one picture of many; `index` counts from 0, in the order in which they were sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"index": 7, **_EXAMPLE}]})

    index: int


class TaskSchema(Schema):
    """A vision task and the state of its model."""

    name: str
    summary: str
    state: Literal["unloaded", "loading", "ready", "missing"]
    resident_bytes: int
    idle_seconds: float | None
    parameters: dict[str, object]


class TaskListSchema(Schema):
    tasks: list[TaskSchema]
