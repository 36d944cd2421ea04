"""Whether frames come at regular times, and at which rate those of a video that does not would best be shown."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from statistics import median

_RATES = (24_000 / 1001, 24.0, 25.0, 30_000 / 1001, 30.0, 48.0, 50.0, 60_000 / 1001, 60.0)
"""Frames a second that are usual, and the most that are made of irregular ones."""

_TICK_SECONDS = 0.0021
"""Regular times that were rounded to milliseconds, as in Matroska, are apart by a millisecond more or less."""

_SAMPLE = 100_000


def steady_rate(times: Sequence[float]) -> float | None:
    """Return the usual rate that is next to that of most frames, where `times` (seconds, in order) are irregular.

    None: they are regular, or there are too few to tell.
    """
    gaps = [after - before for before, after in zip(times, islice(times, 1, None), strict=False)]
    if len(gaps) < 2:
        return None
    usual = median(gaps[:_SAMPLE])
    if all(abs(gap - usual) <= _TICK_SECONDS for gap in gaps):
        return None
    rate = 1 / max(usual, 1 / _RATES[-1])
    return min(_RATES, key=lambda known: abs(known - rate))
