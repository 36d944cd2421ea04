"""Calls that wait for a child, in the order in which they are served."""

from __future__ import annotations

from collections import deque

from app.domain.priority import Priority
from app.errors import BallastError
from app.memory.queue import WaitingLine
from app.workers.call import Call

_WEIGHTS: dict[Priority, float] = {Priority.LIVE: 70, Priority.REQUEST: 25, Priority.BATCH: 5}


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
        """Take out a call, if it is in line."""
        if call in self._returned:
            self._returned.remove(call)
        else:
            self._waiting.discard(call)

    def take(self) -> Call | None:
        """Take out the first call that is still wanted; the unwanted ones before it go too."""
        while len(self):
            call = self._next()
            if call.is_wanted:
                return call
        return None

    def fail_next(self, error: BallastError) -> bool:
        """End the first call with `error`; False: none waits."""
        call = self.take()
        if call is not None:
            call.result.set_exception(error)
        return call is not None

    def _next(self) -> Call:
        if self._returned:
            return self._returned.popleft()
        call = self._waiting.head()
        assert call is not None
        if call.is_wanted:
            self._waiting.serve(call)
        else:
            self._waiting.discard(call)
        return call
