"""How far a job is, and how long it will take."""

from __future__ import annotations

import time

from app.jobs.book.steps import WrittenStep
from app.jobs.job import Job

_WRITE_SECONDS = 2.0
"""How often progress is written down at most: after a crash, a job shows no less than that before."""

_LEAST_SHARE = 0.02
"""How much must have been done before a guess is made of the rest."""


class Estimate:
    """Of one step at work: steps count by their weights."""

    def __init__(self, written: WrittenStep) -> None:
        self._words = written.step.words
        total = written.total_weight or 1.0
        self._done, self._part = written.done_weight / total, written.step.weight / total
        self._began_at, self._written_at = time.monotonic(), time.monotonic()
        self._base = self._done

    def after(self, job: Job, share: float, words: str | None) -> Job:
        """Return the job when this share of the step is done."""
        progress = min(1.0, self._done + self._part * share)
        made, seconds = progress - self._base, time.monotonic() - self._began_at
        left = seconds / made * (1.0 - progress) if made >= _LEAST_SHARE else job.eta_seconds
        return job.changed(
            progress=round(max(progress, job.progress), 4),
            step=words or self._words,
            eta_seconds=None if left is None else round(left, 1),
        )

    def is_to_be_written(self) -> bool:
        """Whether it is time to write down what `after` returned."""
        now = time.monotonic()
        if now - self._written_at < _WRITE_SECONDS:
            return False
        self._written_at = now
        return True
