"""What an analysis found, and the answer that it makes."""

from __future__ import annotations

import json
from dataclasses import dataclass

from app.domain.receipt import Receipt
from app.vision.plan import Output


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    """What was found, in which form. `payload` is passed on as the worker wrote it: a JSON array, or a picture.

    `reduced`: the picture did not fit into memory at the full analysis size and was looked at in a smaller one.
    `cached`: it was found before.
    """

    task: str
    model: str
    width: int
    height: int
    analyzed_width: int
    analyzed_height: int
    output: Output
    payload: bytes
    queued_seconds: float
    decode_seconds: float
    inference_seconds: float
    receipt: Receipt
    reduced: bool = False
    cached: bool = False

    @property
    def seconds(self) -> float:
        """How long the worker was busy with it."""
        return 0.0 if self.cached else self.decode_seconds + self.inference_seconds

    def to_json(self, **first: object) -> bytes:
        """Return detections as JSON, the members `first` before the others."""
        assert self.output is Output.DETECTIONS
        members: dict[str, object] = {
            **first,
            "task": self.task,
            "model": self.model,
            "width": self.width,
            "height": self.height,
            "analyzedWidth": self.analyzed_width,
            "analyzedHeight": self.analyzed_height,
            "mode": self.receipt.mode,
            **({"reduced": True} if self.reduced else {}),
            **({"cached": True} if self.cached else {}),
            "timing": {
                "queuedSeconds": round(self.queued_seconds, 6),
                "decodeSeconds": self.decode_seconds,
                "inferenceSeconds": self.inference_seconds,
            },
        }
        return json.dumps(members, separators=(",", ":")).encode()[:-1] + b',"detections":' + self.payload + b"}"

    def body(self) -> bytes:
        """Return the answer in its own form: JSON, or a picture."""
        return self.to_json() if self.output is Output.DETECTIONS else self.payload
