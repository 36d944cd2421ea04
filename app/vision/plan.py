"""How one picture is analysed, and in which form it is answered. Both sides of the channel use it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.domain.analysis_size import AnalysisSize


class Output(StrEnum):
    """The detections as JSON, the picture with a drawing of them, or the mask."""

    DETECTIONS = "detections"
    PICTURE = "picture"
    MASK = "mask"

    @property
    def content_type(self) -> str:
        return _CONTENT_TYPES[self]


_CONTENT_TYPES = {
    Output.DETECTIONS: "application/json",
    Output.PICTURE: "image/jpeg",
    Output.MASK: "image/png",
}


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a picture or mask is answered: fitted into `canvas`, encoded with this effort (0..1)."""

    output: Output
    canvas: AnalysisSize
    effort: float

    @classmethod
    def of(cls, head: dict[str, Any]) -> Rendering | None:
        """Return the one that a call asks for; None where it asks for the detections."""
        if "output" not in head:
            return None
        return cls(Output(head["output"]), AnalysisSize(*head["canvas"]), head["effort"])

    def as_head(self) -> dict[str, Any]:
        """Return it as members of a call."""
        return {"output": self.output, "canvas": [self.canvas.width, self.canvas.height], "effort": self.effort}


@dataclass(frozen=True, slots=True)
class AnalysisPlan:
    """How one picture is worked on: looked at in `box`, and answered as `rendering` says (None: the detections).

    With `searches` all of it is looked at in detail (`VisionTask.search`), within `deadline_seconds` (None: those of
    the settings). A worker is held to `decode_bytes` while it decodes. They are the forecast for `operation`, whose
    most expensive step takes `formula_bytes` by its formula.
    """

    box: AnalysisSize
    max_pixels: int
    rendering: Rendering | None
    operation: str
    formula_bytes: int
    decode_bytes: int
    searches: bool = False
    deadline_seconds: float | None = None

    @property
    def output(self) -> Output:
        return Output.DETECTIONS if self.rendering is None else self.rendering.output

    def as_head(self) -> dict[str, Any]:
        """Return it as members of a call."""
        form = self.rendering.as_head() if self.rendering is not None else {}
        form |= {"search": True} if self.searches else {}
        box = [self.box.width, self.box.height]
        return {"box": box, "maxPixels": self.max_pixels, "decodeBytes": self.decode_bytes, **form}
