"""What is counted of jobs since the start, by kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

REASONS = (
    "internal_error",
    "invalid_media",
    "invalid_parameter",
    "memory_exceeds_limit",
    "model_missing",
    "not_found",
    "processing_timeout",
    "storage_full",
    "storage_unavailable",
    "too_many_pixels",
    "unsupported_media",
    "worker_failed",
)
"""Codes of problems with which jobs fail: so that a series is there before its first failure."""


@dataclass(slots=True)
class JobCounters:
    """`finished` by kind and state, `failures` by kind and code, the others by kind. `seconds` are those of steps at
    work, `result_bytes` those of items that were kept, `retries` beginnings of a step that was begun before,
    `takeovers` jobs that were taken back from a machine that was silent.
    """

    submitted: Counter[str] = field(default_factory=Counter)
    finished: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    takeovers: Counter[str] = field(default_factory=Counter)
    result_bytes: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    engine_starts: int = 0
    engine_deaths: int = 0
    webhooks_sent: int = 0
    webhooks_failed: int = 0

    def worked(self, kind: str, seconds: float) -> None:
        self.seconds[kind] = self.seconds.get(kind, 0.0) + seconds
