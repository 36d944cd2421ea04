"""What an operation will really take: its own formula, corrected by what was seen of it."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from app.domain.units import MIB

_WINDOW_CALLS = 19
_LEAST_RATIO = 0.5


@dataclass(frozen=True, slots=True)
class ForecastStatistics:
    """One operation: its last prediction, its last observation, the learned `ratio` between formula and observation."""

    operation: str
    predicted_bytes: int
    observed_bytes: int
    ratio: float
    calls: int


class Forecast:
    """Learns observed / formula for each operation, as the highest of the last 19 ratios.

    An operation starts with a full window of the ratio 1. A ratio above the present one counts at once, because too
    little is what kills; it is lowered only when the window has forgotten what raised it. So whatever a formula gets
    wrong is put right within 20 calls. The ratio never falls below 0.5, and no prediction below `floor_bytes`. Formulas
    below that floor count as the floor, so that the fixed costs of a tiny picture do not pass for a ratio, and a call
    that stayed below it teaches nothing.

    Where `ceiling_bytes` is given (the largest grant there can be), learning alone does not predict more than that:
    such work runs by itself, and is seen again, instead of being refused for ever.

    `max_operations` bounds the memory: the one unused for longest is forgotten.
    """

    def __init__(
        self,
        *,
        floor_bytes: int = 4 * MIB,
        ceiling_bytes: Callable[[], int] | None = None,
        max_operations: int = 256,
    ) -> None:
        self._floor_bytes = floor_bytes
        self._ceiling_bytes = ceiling_bytes
        self._max_operations = max_operations
        self._histories: OrderedDict[str, _History] = OrderedDict()

    def predict(self, operation: str, formula_bytes: int) -> int:
        """Return the bytes to reserve for a call whose formula says `formula_bytes`."""
        history = self._history(operation)
        base_bytes = max(formula_bytes, self._floor_bytes)
        predicted_bytes = max(self._floor_bytes, math.ceil(base_bytes * history.ratio))
        if self._ceiling_bytes is not None:
            predicted_bytes = min(predicted_bytes, max(base_bytes, self._ceiling_bytes()))
        history.predicted_bytes = predicted_bytes
        return predicted_bytes

    def predict_at_least(self, operation: str, formula_bytes: int) -> int:
        """Do what `predict` does, but never return less than the formula says.

        For operations of which most calls are small: those live on what the heap of a child has left, and would teach
        that a large one takes half of it.
        """
        return max(formula_bytes, self.predict(operation, formula_bytes))

    def observe(self, operation: str, formula_bytes: int, observed_bytes: int) -> None:
        """Learn from one call: `formula_bytes` as it was given to `predict`, and the peak that was measured."""
        history = self._history(operation)
        history.calls += 1
        history.observed_bytes = observed_bytes
        if max(formula_bytes, observed_bytes) > self._floor_bytes:
            history.ratios.append(max(_LEAST_RATIO, observed_bytes / max(formula_bytes, self._floor_bytes, 1)))

    def statistics(self) -> list[ForecastStatistics]:
        """Return one entry for each operation, by name."""
        return [
            ForecastStatistics(name, history.predicted_bytes, history.observed_bytes, history.ratio, history.calls)
            for name, history in sorted(self._histories.items())
        ]

    def _history(self, operation: str) -> _History:
        history = self._histories.get(operation)
        if history is None:
            history = self._histories[operation] = _History()
            if len(self._histories) > self._max_operations:
                self._histories.popitem(last=False)
        self._histories.move_to_end(operation)
        return history


@dataclass(slots=True, eq=False)
class _History:
    predicted_bytes: int = 0
    observed_bytes: int = 0
    calls: int = 0
    ratios: deque[float] = field(default_factory=lambda: deque([1.0] * _WINDOW_CALLS, maxlen=_WINDOW_CALLS))

    @property
    def ratio(self) -> float:
        return max(self.ratios)
