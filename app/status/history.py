"""What memory was like in the last hour: the peak of each interval, who held what then, and what happened."""

from __future__ import annotations

import logging
from array import array
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.pressure import PressureLevel
from app.memory.budget import BudgetStatistics
from app.memory.gauge import MemorySample
from app.memory.governor import Governor
from app.rounds import go_round

logger = logging.getLogger("ballast.memory")

INTERVAL_SECONDS = 5
INTERVALS = 720
"""An hour. A row of numbers takes 8 bytes an interval: with the most owners, 160 KB in all."""

MAX_OWNERS = 24
OTHERS = "others"
"""Owners beyond the first `MAX_OWNERS` kinds that came are counted together."""

MAX_MARKS = 200
NOTHING = -1
"""In an interval in which nothing was measured."""


@dataclass(frozen=True, slots=True)
class LevelMark:
    """The level became another one."""

    at: datetime
    level: str
    reasons: tuple[str, ...]
    kind: str = "level"


@dataclass(frozen=True, slots=True)
class ShedMark:
    """So many requests were refused for memory, since the look before."""

    at: datetime
    reason: str
    count: int
    kind: str = "shed"


@dataclass(frozen=True, slots=True)
class HistoryView:
    """Rows of the same length, oldest interval first; None where nothing was measured."""

    started_at: datetime
    working_set_bytes: Sequence[int | None]
    reserved_bytes: Sequence[int | None]
    limit_bytes: Sequence[int | None]
    levels: Sequence[str | None]
    holders: Mapping[str, Sequence[int | None]]
    marks: Sequence[LevelMark | ShedMark]


class MemoryHistory:
    """Looks at each sample, as often as one is taken; keeps numbers only, in rings of a fixed size."""

    def __init__(self, governor: Governor) -> None:
        self._governor = governor
        self._peaks, self._reserved, self._limits, self._levels = (_row() for _ in range(4))
        self._holders: dict[str, array[int]] = {}
        self._marks: deque[LevelMark | ShedMark] = deque(maxlen=MAX_MARKS)
        self._shed = Counter(governor.budget.statistics().shed_total)
        self._level = governor.level
        self._newest = int(governor.sample.monotonic_seconds // INTERVAL_SECONDS)
        self._oldest = self._newest

    async def run(self) -> None:
        """Look until cancelled."""
        await go_round({"a look at memory for its history": self.look}, self._pause_seconds, logger)

    def look(self) -> None:
        """Take the last sample in (some 20 us)."""
        sample, statistics = self._governor.sample, self._governor.budget.statistics()
        self._mark(sample, statistics)
        number = int(sample.monotonic_seconds // INTERVAL_SECONDS)
        self._advance(number)
        slot = number % INTERVALS
        self._levels[slot] = max(self._levels[slot], self._governor.level)
        if sample.working_set_bytes <= self._peaks[slot]:
            return
        self._peaks[slot] = sample.working_set_bytes
        self._reserved[slot] = statistics.reserved_bytes
        self._limits[slot] = sample.limit_bytes
        for row in self._holders.values():
            row[slot] = 0
        for owner, nbytes in self._held(statistics).items():
            self._holders[owner][slot] = nbytes

    def view(self, seconds: int) -> HistoryView:
        """Return the last so many seconds."""
        wanted = max(1, min(INTERVALS, -(-seconds // INTERVAL_SECONDS)))
        first = max(self._oldest, self._newest - wanted + 1)
        sample = self._governor.sample
        since = timedelta(seconds=sample.monotonic_seconds - first * INTERVAL_SECONDS)
        started_at = sample.sampled_at - since
        levels = [None if one is None else PressureLevel(one).name for one in self._values(self._levels, first)]
        return HistoryView(
            started_at,
            self._values(self._peaks, first),
            self._values(self._reserved, first),
            self._values(self._limits, first),
            levels,
            {owner: self._values(row, first) for owner, row in self._holders.items()},
            [mark for mark in self._marks if mark.at >= started_at],
        )

    def _values(self, row: array[int], first: int) -> list[int | None]:
        values = (row[number % INTERVALS] for number in range(first, self._newest + 1))
        return [None if value == NOTHING else value for value in values]

    def _advance(self, number: int) -> None:
        """Empty the slots of the intervals that have begun."""
        for passed in range(max(self._newest + 1, number - INTERVALS + 1), number + 1):
            for row in (self._peaks, self._reserved, self._limits, self._levels, *self._holders.values()):
                row[passed % INTERVALS] = NOTHING
        self._newest = max(self._newest, number)
        self._oldest = max(self._oldest, self._newest - INTERVALS + 1)

    def _held(self, statistics: BudgetStatistics) -> Counter[str]:
        """Return what was seen of each kind of owner: `model:hands` stays, `images 4711` is one of `images`."""
        held: Counter[str] = Counter()
        for holder in statistics.holders:
            held[self._row_of(holder.owner)] += holder.resident_bytes
        return held

    def _row_of(self, owner: str) -> str:
        kind = owner.split(" ", 1)[0]
        if kind not in self._holders:
            kind = kind if len(self._holders) < MAX_OWNERS - 1 else OTHERS
            self._holders.setdefault(kind, _row())
        return kind

    def _mark(self, sample: MemorySample, statistics: BudgetStatistics) -> None:
        if self._governor.level is not self._level:
            self._level = self._governor.level
            self._marks.append(LevelMark(sample.sampled_at, self._level.name, tuple(self._governor.reasons)))
        for reason, count in statistics.shed_total.items():
            if count > self._shed[reason]:
                self._marks.append(ShedMark(sample.sampled_at, reason, count - self._shed[reason]))
        self._shed = Counter(statistics.shed_total)

    def _pause_seconds(self) -> float:
        settings = self._governor.settings
        return settings.fast_sample_seconds if self._governor.level > PressureLevel.LOW else settings.sample_seconds


def _row() -> array[int]:
    return array("q", [NOTHING]) * INTERVALS
