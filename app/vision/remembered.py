"""What was found before: the same picture, task, parameters and size need no second look."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from app.domain.analysis_size import AnalysisSize
from app.domain.pressure import ProcessingMode
from app.domain.receipt import Receipt
from app.memory.cache import Cache
from app.vision.plan import Output
from app.vision.result import AnalysisResult
from app.vision.task import VisionTask

_MEMBERS = (
    "task", "model", "width", "height", "analyzed_width", "analyzed_height", "decode_seconds", "inference_seconds",
)  # fmt: skip


def result_key(task: type[VisionTask], params: Any, box: AnalysisSize, picture: bytes) -> str:
    """Return what detections depend on: the picture, the task with its resolved parameters, the analysis size."""
    asked = json.dumps([task.name, asdict(params), box.width, box.height])
    # 2 GB a second: 5 MiB hold the loop for 2.5 ms, less than an inference.
    return hashlib.sha256(asked.encode() + b"\0" + hashlib.sha256(picture).digest()).hexdigest()


class RememberedResults:
    """Keeps detections in the cache; pictures and masks are large, and cheap to draw.

    A remembered result says so (`cached`); its times and its receipt's bytes are those of the look that found it.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def find(self, key: str, mode: ProcessingMode) -> AnalysisResult | None:
        """Return the result that was kept under `key`, for an answer in this mode."""
        kept = self._cache.get(key)
        if kept is None:
            return None
        line, _, payload = kept.partition(b"\n")
        members = json.loads(line)
        predicted_bytes, peak_bytes = members.pop("bytes")
        return AnalysisResult(
            **members,
            output=Output.DETECTIONS,
            payload=payload,
            queued_seconds=0.0,
            receipt=Receipt(predicted_bytes, peak_bytes, mode),
            cached=True,
        )

    def keep(self, key: str, result: AnalysisResult) -> None:
        """Keep a result, unless it was found in a smaller size than the key says."""
        if result.reduced:
            return
        members: dict[str, Any] = {name: getattr(result, name) for name in _MEMBERS}
        members["bytes"] = [result.receipt.predicted_bytes, result.receipt.peak_bytes]
        self._cache.put(key, json.dumps(members).encode() + b"\n" + result.payload)
