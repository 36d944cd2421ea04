"""One model as the API sees it: its children, who uses it, and who waits for it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from app.domain.priority import Priority
from app.memory.convoy import Convoy
from app.vision.accounts import ChildAccount
from app.vision.model_key import ModelKey
from app.workers.pool import WorkerPool

_LOAD_SECONDS = 0.1
"""What bringing a model back is taken to cost before it was ever loaded here."""

_BETWEEN_FRAMES_SECONDS = 0.5
"""A stream that sends less than two frames a second can wait for a load."""


class ServedModel:
    """A model in the children of its own pool.

    It is *leaving* once its memory was promised to others: whoever has it finishes, whoever comes waits for its next
    load. `convoy` are those who wait for a load; `is_loading` says that it has begun.
    """

    def __init__(self, key: ModelKey, clock: Callable[[], float] = time.monotonic) -> None:
        self.key = key
        self.pool: WorkerPool
        self.accounts: list[ChildAccount] = []
        self.convoy: Convoy | None = None
        self.is_loading = False
        self.is_leaving = False
        self.loaded_at = 0.0
        self.load_seconds = _LOAD_SECONDS
        self._clock = clock
        self._used_at: float | None = None
        self._live_at = float("-inf")
        self._users: Counter[Priority] = Counter()
        self.awaited_by: set[asyncio.Task[Any]] = set()

    @property
    def is_ready(self) -> bool:
        """Whether a call would find it, or the successor of a child that died, which its pool starts by itself."""
        is_there = self.pool.children or (self.pool.size and not self.is_loading)
        return bool(is_there) and not self.is_leaving

    @property
    def is_waiting(self) -> bool:
        """Whether a load of it waits for bytes."""
        return self.convoy is not None and not self.convoy.is_over and not self.is_loading

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for it to be there."""
        return bool(self.awaited_by)

    @property
    def is_idle(self) -> bool:
        """Whether it is there and nobody uses it, or is about to."""
        return self.is_ready and not self.awaited_by and not self.is_used and (self.key.is_tracker or not self.is_live)

    @property
    def is_used(self) -> bool:
        return self._users.total() > 0 or self.pool.is_busy

    @property
    def is_unknown(self) -> bool:
        """Whether nothing is left of it that anybody could ask for."""
        over = self.convoy is None or self.convoy.is_over
        return not (self.accounts or self.awaited_by or self.is_used or self.pool.size) and over

    @property
    def is_live(self) -> bool:
        """Whether a stream uses it, or is about to send its next frame."""
        return self._users[Priority.LIVE] > 0 or self._clock() - self._live_at < _BETWEEN_FRAMES_SECONDS

    @property
    def idle_seconds(self) -> float:
        """For how long nobody has used it; infinite if nobody ever did."""
        if self._users.total():
            return 0.0
        return float("inf") if self._used_at is None else self._clock() - self._used_at

    @property
    def resident_bytes(self) -> int:
        """What its children hold by the last sample."""
        return sum(account.resident_bytes for account in self.accounts)

    @property
    def smallest_bytes(self) -> int:
        """What is reserved for the smallest of its children; 0 without one."""
        return min((account.reserved_bytes for account in self.accounts), default=0)

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Keep it from leaving as soon as it is there, for the block: the task waits for it, or to call it."""
        task = asyncio.current_task()
        assert task is not None
        self.awaited_by.add(task)
        try:
            yield
        finally:
            self.awaited_by.discard(task)

    @contextmanager
    def used(self, priority: Priority) -> Iterator[None]:
        """Keep it for the block."""
        self._users[priority] += 1
        try:
            yield
        finally:
            self._users[priority] -= 1
            self._used_at = self._clock()
            if priority is Priority.LIVE:
                self._live_at = self._used_at
