"""Turns: while the event loop is late, whoever keeps it busiest waits, and everybody else does not.

A client that sends its next request, message or chunk as soon as the last one is dealt with keeps the loop busy, and
everybody else waits for it. So each of these takes a turn first. While the loop is late,

- of several clients, those who had few turns lately have the next at once; the others line up, those with the fewest
  first, and after each of theirs the loop rests for a while, so that it is there for the rest at once;
- of one client alone, each connection has a turn in a while. One that shows a photo, or sends the frames of a webcam,
  comes back after that anyway.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable

TURN_SECONDS = 0.015
"""A turn: shorter than any analysis takes, and than a frame of a webcam at 60 a second lasts."""

LATE_SECONDS = 0.002
"""The loop is late when its timers are, by so much on average: some ten requests' worth."""

FREE_TURNS = 150.0
"""How many turns a second are had at once, by all clients together: what a few of them need who send photos."""

_REST = 2.0
"""How long the loop rests after a turn of those who line up, over what the turn took: they have a third of it."""

_MAX_REST_SECONDS = 0.02
"""Longer rests would leave a line that is long for seconds, and nobody needs them to get in between."""

_HOLD_SECONDS = 2.0
"""For how long turns are taken after the loop was late: because they are, it is not late any more."""

_FORGOTTEN_TURNS = 0.5
"""A client who had fewer lately is not here any more."""

_TICK_SECONDS = 0.02
_SMOOTHING = 0.2


class Pace:
    """Watches how late the loop is, as long as `is_needed` says that there is somebody to be slowed down."""

    def __init__(self, loop: asyncio.AbstractEventLoop, is_needed: Callable[[], bool]) -> None:
        self._loop = loop
        self._is_needed = is_needed
        self._lag_seconds = 0.0
        self._late_until = 0.0
        self._due: float | None = None  # None: it does not watch
        self._turns = defaultdict[str, float](float)  # of each client in the last second, about
        self._lines: dict[str, deque[Callable[[], None]]] = {}
        self._is_serving = False

    @property
    def is_late(self) -> bool:
        return self._loop.time() < self._late_until

    def watch(self) -> None:
        """Begin to watch, if it does not yet; it ends by itself."""
        if self._due is None:
            self._next()

    def turn(self, client: str, last: float, go: Callable[[], None]) -> None:
        """Call `go` when a connection of a client has its turn: at once, as a rule. `last`: when it had one before."""
        if not self.is_late:
            go()
            return
        turns = self._turns[client]  # from now on it is here
        if len(self._turns) == 1:
            wait_seconds = last + TURN_SECONDS - self._loop.time() if self._lag_seconds > LATE_SECONDS else 0.0
            self._go_later(wait_seconds, client, go)
        elif turns < FREE_TURNS / len(self._turns):
            self._go(client, go)
        else:
            self._lines.setdefault(client, deque()).append(go)
            if not self._is_serving:
                self._is_serving = True
                self._loop.call_soon(self._serve)

    async def take_turn(self, client: str, last: float) -> None:
        """Wait for the turn of a connection."""
        if self.is_late:
            came = self._loop.create_future()
            self.turn(client, last, lambda: None if came.done() else came.set_result(None))
            await came

    def _go_later(self, seconds: float, client: str, go: Callable[[], None]) -> None:
        if seconds > 0:
            self._loop.call_later(seconds, self._go, client, go)
        else:
            self._go(client, go)

    def _go(self, client: str, go: Callable[[], None]) -> None:
        self._turns[client] += 1
        go()

    def _serve(self) -> None:
        """Give a turn to the client who had the fewest."""
        client = min(self._lines, key=self._turns.__getitem__)
        line = self._lines[client]
        go = line.popleft()
        if not line:
            del self._lines[client]
        self._loop.call_soon(self._loop.call_soon, self._rest, self._loop.time())  # once what the turn began has run
        self._go(client, go)

    def _rest(self, began: float) -> None:
        if not self._lines:
            self._is_serving = False
        elif self.is_late:
            rest_seconds = min(_MAX_REST_SECONDS, _REST * (self._loop.time() - began))
            self._loop.call_later(rest_seconds, self._serve)
        else:
            self._serve()

    def _next(self) -> None:
        self._due = self._loop.time() + _TICK_SECONDS
        self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        assert self._due is not None
        now = self._loop.time()
        self._lag_seconds += _SMOOTHING * (now - self._due - self._lag_seconds)
        if self._lag_seconds > LATE_SECONDS:
            self._late_until = now + _HOLD_SECONDS
        self._forget_a_little()
        if self._is_needed():
            self._next()
        else:
            self._due = None
            self._lag_seconds = self._late_until = 0.0

    def _forget_a_little(self) -> None:
        """Turns count for a second, about."""
        for client, turns in tuple(self._turns.items()):
            self._turns[client] = turns * (1 - _TICK_SECONDS)
            if turns < _FORGOTTEN_TURNS and client not in self._lines:
                del self._turns[client]
