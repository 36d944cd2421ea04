"""How many bytes may be held for what has not come in whole, or is not taken: in all, and for each client."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

_CLIENT_SHARE = 0.5
"""The part of it that one client may have."""

_PLENTY_SHARE = 0.125
"""The part of it that one client may have of what is not needed, but faster."""


@dataclass(slots=True, eq=False)
class _Waiter:
    client: str
    nbytes: int
    granted: asyncio.Future[None]

    @property
    def is_granted(self) -> bool:
        return self.granted.done() and not self.granted.cancelled()


class Allowance:
    """Counts such bytes, which are in the ledger besides. Lives on the event loop: no locks."""

    def __init__(self, cap_bytes: Callable[[], float], ended: Callable[[], None] = lambda: None) -> None:
        """`cap_bytes` gives how many there may be now; `ended` is called when some are free: a good moment to trim."""
        self._cap_bytes = cap_bytes
        self._ended = ended
        self._taken = Counter[str]()
        self._line: dict[_Waiter, None] = {}  # in the order of arrival

    def take(self, client: str, nbytes: int) -> bool:
        """Count bytes that are going to be held for a client; False: that is more than it may have, or all."""
        return self._take(client, nbytes, _CLIENT_SHARE)

    def take_of_plenty(self, client: str, nbytes: int) -> bool:
        """Count bytes that would do good; False: somebody may need them, or has them for need."""
        return not self._line and self._take(client, nbytes, _PLENTY_SHARE)

    async def wait(self, client: str, nbytes: int, seconds: float) -> bool:
        """Count bytes as soon as a client may have them, in the order of those who wait; False: not in time."""
        if self.take(client, nbytes):
            return True
        waiter = _Waiter(client, nbytes, asyncio.get_running_loop().create_future())
        self._line[waiter] = None
        try:
            async with asyncio.timeout(seconds):
                await waiter.granted
        except TimeoutError:
            return waiter.is_granted  # at the last moment
        except BaseException:
            if waiter.is_granted:
                self.give(client, nbytes)
            raise
        finally:
            self._line.pop(waiter, None)
        return True

    def give(self, client: str, nbytes: int) -> None:
        """Give back what was taken."""
        if not nbytes:
            return
        self._ended()
        self._taken[client] -= nbytes
        if self._taken[client] <= 0:
            del self._taken[client]
        for waiter in tuple(self._line):
            if not waiter.granted.done() and self.take(waiter.client, waiter.nbytes):
                waiter.granted.set_result(None)
                del self._line[waiter]

    def _take(self, client: str, nbytes: int, share: float) -> bool:
        cap_bytes = self._cap_bytes()
        own_bytes = self._taken[client] + nbytes
        if own_bytes > cap_bytes * share or self._taken.total() + nbytes > cap_bytes:
            return False
        self._taken[client] = own_bytes
        return True
