"""Analyses that were made before: the same picture, task, parameters and size need no second look."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from app.domain.receipt import Receipt
from app.media.pictures import Picture
from app.memory.cache import Cache
from app.memory.governor import Governor
from app.vision.analysis import Analysis, AnalysisResult
from app.vision.output import Output
from app.vision.task import VisionTask

_MEMBERS = (
    "task", "model", "width", "height", "analyzed_width", "analyzed_height", "decode_seconds", "inference_seconds",
)  # fmt: skip


class RememberedAnalysis:
    """Answers from the cache where it can, else has the picture analysed and keeps the answer.

    Only detections are kept: pictures and masks are large, and cheap to draw. A remembered answer says so (`cached`);
    its times and its receipt are those of the look that found it.
    """

    def __init__(self, analysis: Analysis, cache: Cache, governor: Governor) -> None:
        self._analysis = analysis
        self._cache = cache
        self._governor = governor

    async def analyze(
        self,
        task: type[VisionTask],
        params: Any,
        picture: Picture,
        *,
        client: str,
        output: Output = Output.DETECTIONS,
    ) -> AnalysisResult:
        """See `Analysis.analyze`."""
        if output is not Output.DETECTIONS:
            return await self._analysis.analyze(task, params, picture, client=client, output=output)
        key = self._key(task, params, picture.data)
        kept = self._cache.get(key)
        if kept is not None:
            return self._result(kept)
        result = await self._analysis.analyze(task, params, picture, client=client)
        if not result.reduced:
            members: dict[str, Any] = {name: getattr(result, name) for name in _MEMBERS}
            members["bytes"] = [result.receipt.predicted_bytes, result.receipt.peak_bytes]
            self._cache.put(key, json.dumps(members).encode() + b"\n" + result.payload)
        return result

    def _key(self, task: type[VisionTask], params: Any, picture: bytes) -> str:
        """Return what the answer depends on: the picture, the task with its settled parameters, the analysis size."""
        box = self._analysis.box()
        settled = self._analysis.vision.settled(task, params)
        words = json.dumps([task.name, asdict(settled), box.width, box.height])
        # 2 GB a second: 5 MiB hold the loop for 2.5 ms, less than an inference.
        return hashlib.sha256(words.encode() + b"\0" + hashlib.sha256(picture).digest()).hexdigest()

    def _result(self, kept: bytes) -> AnalysisResult:
        line, _, payload = kept.partition(b"\n")
        members = json.loads(line)
        predicted_bytes, peak_bytes = members.pop("bytes")
        return AnalysisResult(
            **members,
            output=Output.DETECTIONS,
            payload=payload,
            queued_seconds=0.0,
            receipt=Receipt(predicted_bytes, peak_bytes, self._governor.mode),
            cached=True,
        )
