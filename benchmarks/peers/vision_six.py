"""The peer of `benchmarks/mixed.py`: all six tasks in one process, as a user would write it.

python -m benchmarks.peers.vision_six PORT MODELS

Each model is opened at the start and has a lock; the work is done in the thread pool. A stream is answered frame by
frame. Pose has the lite bundle, which is the smaller one.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from PIL import Image

from benchmarks.peers.hands import BaseOptions, mp, open_landmarker

Found = dict[str, Any]


class TaskModel:
    """One model, for one picture at a time."""

    def __init__(self, look: Callable[[Any], Found]) -> None:
        self._look = look
        self._lock = threading.Lock()

    def find(self, picture: bytes) -> Found:
        """Decode a picture in its own size, and return what is in it as plain values."""
        rgb = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(rgb))
        with self._lock:
            return self._look(image)


def open_models(folder: Path) -> dict[str, TaskModel]:
    """Open the models of the six tasks, with the defaults of our own."""
    vision = mp.tasks.vision

    def base(bundle: str) -> Any:
        return BaseOptions(model_asset_path=str(folder / bundle))

    hands = open_landmarker(str(folder / "hand_landmarker.task"))
    gestures = vision.GestureRecognizer.create_from_options(
        vision.GestureRecognizerOptions(base_options=base("gesture_recognizer.task"), num_hands=2)
    )
    boxes = vision.FaceDetector.create_from_options(
        vision.FaceDetectorOptions(base_options=base("blaze_face_short_range.tflite"))
    )
    faces = vision.FaceLandmarker.create_from_options(
        vision.FaceLandmarkerOptions(base_options=base("face_landmarker.task"))
    )
    bodies = vision.PoseLandmarker.create_from_options(
        vision.PoseLandmarkerOptions(base_options=base("pose_landmarker_lite.task"))
    )
    people = vision.ImageSegmenter.create_from_options(
        vision.ImageSegmenterOptions(base_options=base("selfie_segmenter.tflite"))
    )
    return {
        "hands": TaskModel(lambda image: _landmarks(hands.detect(image).hand_landmarks)),
        "gestures": TaskModel(lambda image: _gestures(gestures.recognize(image))),
        "face-detection": TaskModel(lambda image: _boxes(boxes.detect(image))),
        "face-landmarks": TaskModel(lambda image: _landmarks(faces.detect(image).face_landmarks)),
        "pose": TaskModel(lambda image: _landmarks(bodies.detect(image).pose_landmarks)),
        "segmentation": TaskModel(lambda image: {"mask": _mask(people.segment(image))}),
    }


def _landmarks(found: Any) -> Found:
    return {"detections": [{"landmarks": [{"x": p.x, "y": p.y, "z": p.z} for p in points]} for points in found]}


def _gestures(found: Any) -> Found:
    answer = _landmarks(found.hand_landmarks)
    for detection, gesture in zip(answer["detections"], found.gestures, strict=True):
        detection["gesture"] = gesture[0].category_name
    return answer


def _boxes(found: Any) -> Found:
    boxes = [(one.bounding_box, one.categories[0].score) for one in found.detections]
    return {"detections": [{"box": [b.origin_x, b.origin_y, b.width, b.height], "score": s} for b, s in boxes]}


def _mask(found: Any) -> bytes:
    """Return a PNG of 8 bits, as our service does."""
    confidences = found.confidence_masks[0].numpy_view().squeeze(-1)
    file = io.BytesIO()
    Image.fromarray((confidences * 255 + 0.5).astype("uint8")).save(file, "PNG")
    return file.getvalue()


app = FastAPI()
models = open_models(Path(sys.argv[2]))


@app.post("/{task}")
async def look(task: str, request: Request) -> Response:
    found = await run_in_threadpool(models[task].find, await request.body())
    return Response(found["mask"], media_type="image/png") if "mask" in found else JSONResponse(found)


@app.websocket("/{task}/stream")
async def stream(socket: WebSocket, task: str) -> None:
    await socket.accept()
    seq = 0
    try:
        while True:
            frame = await socket.receive_bytes()
            seq += 1
            await socket.send_json({"type": "result", "seq": seq, **await run_in_threadpool(models[task].find, frame)})
    except WebSocketDisconnect:
        pass


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
