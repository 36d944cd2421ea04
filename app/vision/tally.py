"""What was found in many frames, in numbers. Both sides of the channel use it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from app.domain.landmarks import Detection

_LABELS = ("handedness", "gesture")


class Tally:
    """Counts frames, those in which something was found, how much at most in one, and labels by their kind.

    A label counts once for each detection that has it.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.frames_with_detections = 0
        self.detections = 0
        self.most_in_a_frame = 0
        self.labels: dict[str, Counter[str]] = {}

    def count(self, detections: list[Detection]) -> None:
        """Count one more frame."""
        self.count_many(len(detections))
        for detection in detections:
            for kind in _LABELS:
                if kind in detection:
                    label = detection[kind]["label"]  # type: ignore[literal-required]
                    self.labels.setdefault(kind, Counter())[label] += 1

    def count_many(self, found: int) -> None:
        """Count one more frame with so many detections, whatever they are."""
        self.frames += 1
        self.frames_with_detections += bool(found)
        self.detections += found
        self.most_in_a_frame = max(self.most_in_a_frame, found)

    def add(self, other: Mapping[str, Any]) -> None:
        """Add what another one counted (`as_dict`)."""
        self.frames += other["frames"]
        self.frames_with_detections += other["framesWithDetections"]
        self.detections += other["detections"]
        self.most_in_a_frame = max(self.most_in_a_frame, other["mostInAFrame"])
        for kind, counts in other["labels"].items():
            self.labels.setdefault(kind, Counter()).update(counts)

    def as_dict(self) -> dict[str, Any]:
        """Return it as members of JSON."""
        return {
            "frames": self.frames,
            "framesWithDetections": self.frames_with_detections,
            "detections": self.detections,
            "mostInAFrame": self.most_in_a_frame,
            "labels": {kind: dict(sorted(counts.items())) for kind, counts in sorted(self.labels.items())},
        }


def total(tallies: Iterable[Mapping[str, Any]]) -> Tally:
    """Return what several counted together (each an `as_dict`)."""
    tally = Tally()
    for one in tallies:
        tally.add(one)
    return tally
