"""Trackers: a model in MediaPipe's VIDEO mode for one stream, in one worker, for as long as memory allows.

Tracking takes 0.6 of the time of looking at each frame anew, and the memory of one more instance. It is granted to a
stream at low pressure, and taken back in the middle of it when the pressure rises: the stream goes on with the shared
model.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from app.domain.priority import Priority
from app.errors import BallastError
from app.memory.governor import Governor
from app.vision.accounts import WorkerAccounts
from app.vision.task import VisionTask
from app.workers.channel import Message
from app.workers.pool import WorkerPool

logger = logging.getLogger("ballast.inference")

_UNBALANCED = 2
"""A tracker moves to another worker when its own has so many more of them."""

_RETRY_SECONDS = 2.0
"""How long a stream that got no tracker waits before it asks again."""

_DROP_SECONDS = 10.0


@dataclass(slots=True)
class Tracker:
    """One stream's tracker. `pid` is its worker; `last_ms` the timestamp of its last frame, which must rise."""

    id: str
    task: type[VisionTask]
    params: dict[str, object]
    pid: int
    last_ms: int = 0

    @property
    def part(self) -> str:
        """Its name in the ledger entry of its worker."""
        return f"tracker:{self.id}"

    def as_head(self) -> dict[str, object]:
        """Return it as members of the call for its next frame."""
        return {"tracker": self.id, "timestampMs": self.next_ms()}

    def next_ms(self) -> int:
        """Return the timestamp of the next frame, in milliseconds; MediaPipe refuses one that does not rise."""
        self.last_ms = max(self.last_ms + 1, int(time.monotonic() * 1000))
        return self.last_ms


class Trackers:
    """Grants trackers and takes them back."""

    def __init__(
        self, pool: WorkerPool, accounts: WorkerAccounts, governor: Governor, clock: Callable[[], float]
    ) -> None:
        self._pool = pool
        self._accounts = accounts
        self._governor = governor
        self._clock = clock
        self._numbers = itertools.count(1)
        self._living: dict[str, Tracker] = {}

    @property
    def count(self) -> int:
        return len(self._living)

    def open(self) -> StreamTracker:
        """Return what keeps a stream's tracker; close it with the stream."""
        return StreamTracker(self, self._clock)

    def grant(self, task: type[VisionTask], params: Any) -> Tracker | None:
        """Make a tracker if the mode grants any, the task has one, a worker is up, and the bytes are free."""
        counts = self._counts()
        if not (self._governor.policy.grants_trackers and task.tracker_bytes and counts):
            return None
        pid = min(counts, key=lambda pid: counts[pid])
        tracker = Tracker(f"{next(self._numbers)}", task, asdict(params), pid)
        reservation = self._governor.budget.try_reserve(
            {tracker.part: task.tracker_bytes}, owner=f"tracker:{task.name}", priority=Priority.LIVE
        )
        if reservation is None:
            return None
        self._accounts.adopt(pid, reservation)
        self._living[tracker.id] = tracker
        return tracker

    def may_keep(self, tracker: Tracker) -> bool:
        """Whether the mode still allows it, its worker lives, and no other worker has far fewer trackers."""
        counts = self._counts()
        if not self._governor.policy.keeps_trackers or tracker.pid not in counts:
            return False
        return counts[tracker.pid] - min(counts.values()) < _UNBALANCED

    def drop(self, tracker: Tracker) -> None:
        """Take a tracker back: its worker closes it, its bytes are free."""
        if self._living.pop(tracker.id, None) is None:
            return
        self._close(tracker, tracker.pid)

    def lose(self, tracker: Tracker, pid: int) -> None:
        """Give up a tracker whose worker died, and close the ungranted one in `pid`, which repeated the call."""
        self._living.pop(tracker.id, None)
        self._close(tracker, pid)

    def _close(self, tracker: Tracker, pid: int) -> None:
        closing = self._pool.command(pid, Message({"dropTracker": tracker.id}, b""), _DROP_SECONDS)
        if closing is not None:
            closing.add_done_callback(lambda done: self._closed(tracker, pid, done.exception()))

    def _closed(self, tracker: Tracker, pid: int, error: BaseException | None) -> None:
        if error is None or isinstance(error, BallastError):  # else the worker is gone, and its whole entry with it
            self._accounts.give_back(pid, [tracker.part])

    def _counts(self) -> Counter[int]:
        """Return the number of trackers of each worker that is up."""
        counts = Counter({worker.pid: 0 for worker in self._pool.workers})
        for tracker in self._living.values():
            if tracker.pid in counts:
                counts[tracker.pid] += 1
        return counts


class StreamTracker:
    """The tracker of one stream, or none: it comes and goes with the pressure."""

    def __init__(self, trackers: Trackers, clock: Callable[[], float]) -> None:
        self._trackers = trackers
        self._clock = clock
        self._tracker: Tracker | None = None
        self._ask_at = 0.0

    def current(self, task: type[VisionTask], params: Any) -> Tracker | None:
        """Return the tracker for the next frame, None where the shared model is to be used."""
        present = self._tracker
        if present is not None and (present.params != asdict(params) or not self._trackers.may_keep(present)):
            self.close()
        if self._tracker is None and self._clock() >= self._ask_at:
            self._tracker = self._trackers.grant(task, params)
            self._ask_at = self._clock() + _RETRY_SECONDS
        return self._tracker

    def close(self) -> None:
        if self._tracker is not None:
            self._trackers.drop(self._tracker)
            self._tracker = None
