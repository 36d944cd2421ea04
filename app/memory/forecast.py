"""What an operation will really take: its own formula, corrected by what was seen of it."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ForecastStatistics:
    """One operation: its last prediction, its last observation, the learned `ratio` between formula and observation."""

    operation: str
    predicted_bytes: int
    observed_bytes: int
    ratio: float
    calls: int


class Forecast:
    """Learns observed / formula for each operation, as a high quantile of the last ratios.

    An operation starts with a full window of the ratio 1. A ratio above the present one counts at once; it is lowered
    only when the window (19 calls) has forgotten what raised it. So whatever a formula gets wrong is put right within
    20 calls, and at once where too little was predicted. The ratio never falls below `least_ratio`, and no prediction
    below the operation's floor (`floors`, else `floor_bytes`). Formulas below that floor count as the floor, so that
    the fixed costs of a tiny picture do not pass for a ratio, and a call that stayed below it teaches nothing.

    Where `ceiling_bytes` is given (the largest grant there can be), learning alone does not predict more than that:
    such work runs by itself, and is seen again, instead of being refused for ever.

    `max_operations` bounds the memory: the one unused for longest is forgotten.
    """

    def __init__(
        self,
        *,
        floor_bytes: int = 4 * _MIB,
        least_ratio: float = 0.5,
        floors: Mapping[str, int] | None = None,
        quantile: float = 0.95,
        window: int = 19,
        ceiling_bytes: Callable[[], int] | None = None,
        max_operations: int = 256,
    ) -> None:
        if not 0 < quantile <= 1:
            raise ValueError("the quantile lies in 0..1")
        self._floor_bytes = floor_bytes
        self._least_ratio = least_ratio
        self._floors = dict(floors or {})
        self._quantile = quantile
        self._window = window
        self._ceiling_bytes = ceiling_bytes
        self._max_operations = max_operations
        self._histories: OrderedDict[str, _History] = OrderedDict()

    def predict(self, operation: str, formula_bytes: int) -> int:
        """Return the bytes to reserve for a call whose formula says `formula_bytes`."""
        history = self._history(operation)
        floor_bytes = self._floor(operation)
        predicted_bytes = max(floor_bytes, math.ceil(max(formula_bytes, floor_bytes) * history.ratio))
        if self._ceiling_bytes is not None:
            predicted_bytes = min(predicted_bytes, max(formula_bytes, floor_bytes, self._ceiling_bytes()))
        history.predicted_bytes = predicted_bytes
        return predicted_bytes

    def observe(self, operation: str, formula_bytes: int, observed_bytes: int) -> None:
        """Learn from one call: `formula_bytes` as it was given to `predict`, and the peak that was measured."""
        history = self._history(operation)
        floor_bytes = self._floor(operation)
        history.calls += 1
        history.observed_bytes = observed_bytes
        if formula_bytes > floor_bytes or observed_bytes > floor_bytes:
            ratio = observed_bytes / max(formula_bytes, floor_bytes, 1)
            history.learn(max(self._least_ratio, ratio), self._quantile)

    def statistics(self) -> list[ForecastStatistics]:
        """Return one entry for each operation, by name."""
        return [
            ForecastStatistics(name, history.predicted_bytes, history.observed_bytes, history.ratio, history.calls)
            for name, history in sorted(self._histories.items())
        ]

    def _floor(self, operation: str) -> int:
        return self._floors.get(operation, self._floor_bytes)

    def _history(self, operation: str) -> _History:
        history = self._histories.get(operation)
        if history is None:
            history = self._histories[operation] = _History(self._window)
            if len(self._histories) > self._max_operations:
                self._histories.popitem(last=False)
        self._histories.move_to_end(operation)
        return history


class _History:
    __slots__ = ("calls", "observed_bytes", "predicted_bytes", "ratio", "ratios")

    def __init__(self, window: int) -> None:
        self.ratios: deque[float] = deque([1.0] * window, maxlen=window)
        self.ratio = 1.0
        self.predicted_bytes = 0
        self.observed_bytes = 0
        self.calls = 0

    def learn(self, ratio: float, quantile: float) -> None:
        self.ratios.append(ratio)
        ranked = sorted(self.ratios)
        # Nearest rank; the last ratio counts in full, whatever the quantile says, because too little is what kills.
        self.ratio = max(ratio, ranked[math.ceil(quantile * len(ranked)) - 1])
