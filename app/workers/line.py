"""Calls that wait for a child, in the order in which they are served."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from app.domain.priority import Priority
from app.errors import BallastError
from app.memory.queue import WaitingLine
from app.workers.channel import Message
from app.workers.reply import Reply

_WEIGHTS: dict[Priority, float] = {Priority.LIVE: 70, Priority.REQUEST: 25, Priority.BATCH: 5}


@dataclass(slots=True, eq=False)
class Call:
    """A call on its way; `nbytes` is its weight in the line, where every call counts the same."""

    message: Message
    deadline_seconds: float
    repeatable: bool
    priority: Priority
    client: str
    pid: int | None
    result: asyncio.Future[Reply]
    submitted: float
    nbytes: int = 1
    started: float = 0.0
    attempts: int = 0

    @property
    def is_wanted(self) -> bool:
        """Whether anybody still waits for its result."""
        return not self.result.done()


class CallLine:
    """The ledger's order: classes by weight, clients of a class in turn, each client first come, first served.

    A call that comes back from a child, because that died or another one is free, goes before all others.
    """

    def __init__(self) -> None:
        self._waiting: WaitingLine[Call] = WaitingLine(_WEIGHTS)
        self._returned: deque[Call] = deque()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._returned)

    def push(self, call: Call) -> None:
        self._waiting.push(call)

    def push_back(self, call: Call) -> None:
        """Put a call in line again that a child had."""
        self._returned.append(call)

    def discard(self, call: Call) -> None:
        """Take out a call that was never started."""
        self._waiting.discard(call)

    def take(self, accepts: Callable[[Call], bool]) -> Call | None:
        """Take out the first call that is accepted and still wanted; the unwanted ones before it go too."""
        while (call := self._first(lambda call: not call.is_wanted or accepts(call))) is not None:
            self._remove(call)
            if call.is_wanted:
                return call
        return None

    def fail_next(self, error: BallastError) -> bool:
        """End the first call with `error`; False: none waits."""
        call = self.take(lambda _: True)
        if call is not None:
            call.result.set_exception(error)
        return call is not None

    def _first(self, accepts: Callable[[Call], bool]) -> Call | None:
        return next((call for call in self._returned if accepts(call)), None) or self._waiting.first(accepts)

    def _remove(self, call: Call) -> None:
        if call in self._returned:
            self._returned.remove(call)
        elif call.is_wanted:
            self._waiting.serve(call)
        else:
            self._waiting.discard(call)
