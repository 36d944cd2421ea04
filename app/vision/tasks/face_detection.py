"""Face detection: where faces are; the cheapest task by far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le

from app.domain.landmarks import Detection
from app.domain.units import MIB
from app.vision.task import Found, Model, VisionTask

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True)
class FaceDetectionParams:
    max_faces: Annotated[int, Ge(1), Le(64)] = 16
    min_confidence: Annotated[float, Ge(0), Le(1)] = 0.5


class FaceDetection(VisionTask):
    name = "face-detection"
    summary = "faces within about 2 metres of the camera: the box, and six points, of each"
    asset = "blaze_face_short_range.tflite"
    native = "face_detector"
    Params = FaceDetectionParams
    model_bytes = 31 * MIB

    @classmethod
    def load(cls, asset: Path, params: FaceDetectionParams) -> Model:
        from app.vision import runtime

        detector = runtime.open_native(FaceDetection.native, asset, min_detection_confidence=params.min_confidence)
        return runtime.NativeModel(
            detector, lambda picture: _found(detector.detect(picture), picture.width, picture.height, params.max_faces)
        )

    @classmethod
    def search(cls, model: Model, image: Image.Image) -> list[Detection]:
        """See `VisionTask.search`: faces of any size, at any angle (`face_search.FaceSearch`)."""
        from app.vision.face_search import FaceSearch

        return FaceSearch(lambda rgb: model.detect(rgb).detections).find(image)

    @classmethod
    def find_again(cls, model: Model, image: Image.Image, known: Sequence[Detection]) -> list[Detection | None]:
        """See `VisionTask.find_again`: a face that has moved by no more than its width is found."""
        from app.vision.close_look import CloseLook
        from app.vision.search_cost import CLOSE_LOOKS

        close = CloseLook(lambda rgb: model.detect(rgb).detections, CLOSE_LOOKS)
        return [close.near(image, face) for face in known]


def _found(result: Any, width: int, height: int, max_faces: int) -> Found:
    faces = sorted(result.detections, key=lambda face: face.categories[0].score, reverse=True)
    return Found([_face(face, width, height) for face in faces[:max_faces]])


def _face(face: Any, width: int, height: int) -> Detection:
    """Return a face as part of the picture: MediaPipe counts the box, and only that, in pixels."""
    box = face.bounding_box
    return {
        "landmarks": [{"x": round(point.x, 6), "y": round(point.y, 6), "z": 0.0} for point in face.keypoints],
        "box": {
            "x": round(box.origin_x / width, 6),
            "y": round(box.origin_y / height, 6),
            "width": round(box.width / width, 6),
            "height": round(box.height / height, 6),
        },
        "score": round(face.categories[0].score, 6),
    }
