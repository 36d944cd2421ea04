"""Backfilling: who may pass the waiter at the head of the line that does not fit yet, and for how long.

The head of the line may be passed at first, then not; both for a bounded time. With T = `overtake_seconds` x
2^(times it has been passed over so far, at most 2):

1. *open*, for T: whoever fits may pass, until its class has been granted, by weight, as much as the head asks for
   (in the terms of `queue`: until the tag of its class is beyond the one that this grant will lead to).
2. *draining*, for at most T: nothing is granted to anybody else, so what is in flight comes back to the head.
3. A head that could not be served is passed over: the next one in the order becomes the head, and this one is given
   longer the next time.

Others are kept back only if that can help, that is if the head would fit once everything younger than T has come back:
holders older than T (a loaded model, a long FFmpeg run) are not about to leave, and waiting for them would stop
everybody for nothing. Otherwise whoever fits may pass all the time.

So a waiter that needs more than short work leaves free is never starved by it, however much of it arrives: work that
ends within T cannot hold out through a drain. What never comes back stops the others for at most 2 T.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from app.memory.ledger import Ledger
from app.memory.waiter import Waiter

_MAX_DOUBLINGS = 2


class Backfill:
    """Watches over `head`, the first in order that does not fit (None: whoever comes first fits).

    `draining` says that nobody may pass it; `on_passed_over` is called with a head that has had its time.
    """

    def __init__(self, ledger: Ledger, overtake_seconds: float, on_passed_over: Callable[[Waiter], None]) -> None:
        self._ledger = ledger
        self._overtake_seconds = overtake_seconds
        self._on_passed_over = on_passed_over
        self._timer: asyncio.TimerHandle | None = None
        self.head: Waiter | None = None
        self.draining = False
        self._limit_tag = math.inf
        self._is_limit_checked = False

    def begin(self, head: Waiter, limit_tag: float) -> None:
        """Make this waiter the head, where there is none. Classes may pass it up to `limit_tag`."""
        self.head = head
        self._limit_tag = limit_tag
        self._is_limit_checked = False
        self._after(self._patience_seconds(head), self._drain)

    def end(self) -> None:
        """Have no head any more."""
        self.head = None
        self.draining = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def forget(self, waiter: Waiter) -> None:
        """A waiter leaves the line."""
        if self.head is waiter:
            self.end()

    def hold(self) -> None:
        """Room for the head is on its way: nobody passes it until it has come, for T at most."""
        if self.head is not None and not self.draining:
            self.draining = True
            self._after(self._patience_seconds(self.head), self._pass_over)

    def may_pass(self, tag: float) -> bool:
        """Whether a class with this tag may be granted bytes before the head."""
        if self.head is None or (tag <= self._limit_tag and not self.draining):
            return True
        # Whether keeping others back can help is found out when it first matters, and once a head: it takes one step
        # for each holder.
        if not self._is_limit_checked:
            self._is_limit_checked = True
            if not self._can_drain(self.head):
                self._limit_tag = math.inf
        return tag <= self._limit_tag and not self.draining

    def _drain(self) -> None:
        assert self.head is not None
        if self._can_drain(self.head):
            self.draining = True
            self._after(self._patience_seconds(self.head), self._pass_over)
        else:
            self._pass_over()

    def _pass_over(self) -> None:
        head = self.head
        assert head is not None
        self.end()
        for waiter in head.companions():
            waiter.times_passed_over += 1
        self._on_passed_over(head)

    def _can_drain(self, head: Waiter) -> bool:
        return self._ledger.fits_without_young(head.nbytes, self._patience_seconds(head))

    def _patience_seconds(self, head: Waiter) -> float:
        return self._overtake_seconds * float(2 ** min(head.times_passed_over, _MAX_DOUBLINGS))

    def _after(self, seconds: float, callback: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, callback)
