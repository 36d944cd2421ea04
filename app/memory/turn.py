"""The turn of a waiter that does not fit yet: at first it may be overtaken, then not; both for a bounded time.

With T = `overtake_seconds` x 2^(turns missed so far, at most 2):

1. *open*, for T: whoever fits may pass, until its class has been granted, by weight, as much as this waiter asks for
   (in the words of `queue`: until the tag of its class is beyond the one that this grant will lead to).
2. *draining*, for at most T: nothing is granted to anybody else, so what is in flight comes back to this waiter.
3. Whoever could not be served is passed over: the next one in the order has its turn, and the next turn of this one is
   longer.

Others are kept back only if it can help, that is if the waiter would fit once everything younger than T has come back:
holders older than T (a loaded model, a long FFmpeg run) are not about to leave, and waiting for them would stop
everybody for nothing. Otherwise whoever fits may pass for the whole of the turn.

So a waiter that needs more than short work leaves free is never starved by it, however much of it arrives: work that
ends within T cannot hold out through a drain. What never comes back stops the others for at most 2 T.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from app.memory.waiter import Waiter

_MAX_DOUBLINGS = 2


class Turn:
    """The waiter that is first in order and does not fit, if there is one; `draining` says that nobody may pass it.

    `can_drain(waiter, age_seconds)` tells whether it would fit without the holders younger than that; `missed(waiter)`
    is called when its turn ended without a grant.
    """

    def __init__(
        self,
        overtake_seconds: float,
        *,
        can_drain: Callable[[Waiter, float], bool],
        missed: Callable[[Waiter], None],
    ) -> None:
        self._overtake_seconds = overtake_seconds
        self._can_drain = can_drain
        self._missed = missed
        self._timer: asyncio.TimerHandle | None = None
        self.waiter: Waiter | None = None
        self.draining = False
        self._limit_tag = math.inf
        self._is_limit_checked = False

    def begin(self, waiter: Waiter, limit_tag: float) -> None:
        """Start the turn; does nothing if it is this waiter's already. Classes pass it up to `limit_tag`."""
        if self.waiter is not waiter:
            self.end()
            self.waiter = waiter
            self._limit_tag = limit_tag
            self._is_limit_checked = False
            self._after(self._patience_seconds(waiter), self._close)

    def end(self) -> None:
        self.waiter = None
        self.draining = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def may_pass(self, tag: float) -> bool:
        """Tell whether a class with this tag may be granted bytes before the waiter."""
        if self.waiter is None or (tag <= self._limit_tag and not self.draining):
            return True
        # Whether keeping others back can help is found out when it first matters, and once a turn: it takes one step
        # for each holder.
        if not self._is_limit_checked:
            self._is_limit_checked = True
            if not self._can_drain(self.waiter, self._patience_seconds(self.waiter)):
                self._limit_tag = math.inf
        return tag <= self._limit_tag and not self.draining

    def _close(self) -> None:
        assert self.waiter is not None
        patience_seconds = self._patience_seconds(self.waiter)
        if self._can_drain(self.waiter, patience_seconds):
            self.draining = True
            self._after(patience_seconds, self._miss)
        else:
            self._miss()

    def _miss(self) -> None:
        waiter = self.waiter
        assert waiter is not None
        self.end()
        waiter.missed_turns += 1
        self._missed(waiter)

    def _patience_seconds(self, waiter: Waiter) -> float:
        return self._overtake_seconds * float(2 ** min(waiter.missed_turns, _MAX_DOUBLINGS))

    def _after(self, seconds: float, callback: Callable[[], None]) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, callback)
