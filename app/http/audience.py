"""Those who listen to server-sent events: an answer without an end, so there is only room for so many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from app.domain.priority import Priority
from app.domain.units import KIB
from app.errors import Overloaded, TooManyRequests
from app.memory.budget import MemoryBudget

LISTENER_BYTES = 48 * KIB
"""What the request of one listener holds besides its connection (measured over 100 of them: 43 kB)."""

_CLIENT_SHARE = 0.25
_RETRY_SECONDS = 30


class Audience:
    """Admits listeners: `places` of them in all, a quarter of that from one client, each charged."""

    def __init__(self, budget: MemoryBudget, places: int) -> None:
        self._budget = budget
        self._places = places
        self._places_of_one = max(1, int(places * _CLIENT_SHARE))
        self._by_client: Counter[str] = Counter()

    @property
    def size(self) -> int:
        return self._by_client.total()

    @contextmanager
    def admit(self, client: str) -> Iterator[None]:
        """Give a listener its place for the block.

        Raises:
            TooManyRequests: this client has all the places that it may have.
            Overloaded: all places are taken, or memory has no room.
        """
        if self._by_client[client] >= self._places_of_one:
            raise TooManyRequests(
                f"A client may listen to events {self._places_of_one} times at once.",
                retry_after_seconds=_RETRY_SECONDS,
            )
        if self.size >= self._places:
            raise Overloaded(f"{self._places} clients listen already.", retry_after_seconds=_RETRY_SECONDS)
        parts = {"listener": LISTENER_BYTES}
        reservation = self._budget.try_reserve(parts, owner="events", priority=Priority.LIVE)
        if reservation is None:
            raise Overloaded("Memory is too tight for one more listener.", retry_after_seconds=_RETRY_SECONDS)
        self._by_client[client] += 1
        try:
            yield
        finally:
            self._by_client -= Counter({client: 1})  # leaves no zeros behind
            reservation.release()
