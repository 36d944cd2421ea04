"""What the load generators count while they run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """One soak's counts. `*_seconds` lists hold one value for each answer, `lost` one line for each lost connection."""

    started: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    photos_done: int = 0
    first_try: int = 0
    photo_answers: Counter[str] = field(default_factory=Counter)
    photo_modes: Counter[str] = field(default_factory=Counter)
    photo_tasks: Counter[str] = field(default_factory=Counter)
    photo_seconds: list[float] = field(default_factory=list)
    wrong_answers: Counter[str] = field(default_factory=Counter)
    image_answers: Counter[str] = field(default_factory=Counter)
    image_seconds: list[float] = field(default_factory=list)
    job_ends: Counter[str] = field(default_factory=Counter)
    job_seconds: list[float] = field(default_factory=list)
    frames_sent: int = 0
    frame_answers: Counter[str] = field(default_factory=Counter)
    frame_modes: Counter[str] = field(default_factory=Counter)
    frame_seconds: list[float] = field(default_factory=list)
    uploaded_bytes: int = 0
    upload_status: int = 0
    upload_seconds: float = 0.0
    live_seconds: list[float] = field(default_factory=list)
    own_seconds: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    @property
    def elapsed_seconds(self) -> float:
        return (self.ended or time.monotonic()) - self.started

    def lose(self, what: str, error: BaseException) -> None:
        """Count a lost connection."""
        self.lost.append(f"{what} at {time.monotonic() - self.started:.1f} s: {type(error).__name__} {error}".rstrip())


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed (nearest rank); 0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))]
