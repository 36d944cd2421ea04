"""How many bytes may be held for what has not come in whole, or is not taken: in all, and for each client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

_CLIENT_SHARE = 0.5
"""The part of it that one client may have."""


class Allowance:
    """Counts such bytes, which are in the ledger besides. `cap_bytes` gives how many there may be now."""

    def __init__(self, cap_bytes: Callable[[], float]) -> None:
        self._cap_bytes = cap_bytes
        self._taken = Counter[str]()

    def take(self, client: str, nbytes: int) -> bool:
        """Count bytes that are going to be held for a client; False: that is more than it may have, or all."""
        cap_bytes = self._cap_bytes()
        own_bytes = self._taken[client] + nbytes
        if own_bytes > cap_bytes * _CLIENT_SHARE or self._taken.total() + nbytes > cap_bytes:
            return False
        self._taken[client] = own_bytes
        return True

    def give(self, client: str, nbytes: int) -> None:
        """Give back what was taken."""
        self._taken[client] -= nbytes
        if self._taken[client] <= 0:
            del self._taken[client]
