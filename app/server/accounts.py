"""What the connections hold, in the ledger: charged before it is held, and read only as fast as it is charged.

All of them are one holder, which grows and shrinks in steps of 1 MiB, so that a request does not touch the ledger. It
has a share of the limit, and an address has half of that: one client slows itself down, nobody else.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable

from app.domain.units import KIB, MIB
from app.memory.reservation import Reservation

CONNECTION_BYTES = 32 * KIB
"""What a connection is charged as it comes: 16 KiB that are not read yet, and as much for its request and answer; an
idle one takes 2.6 kB (`python -m benchmarks idle`)."""

OWNER = "connections"

_STEP_BYTES = MIB
_ADDRESS_SHARE = 0.5
_RETRY_SECONDS = 0.05
"""How often it is looked whether the ledger has room again for those who wait here."""


class Accounts:
    """The accounts of one listener's connections.

    `is_shared` says of which addresses many clients come (proxies): those have no share of their own.
    """

    def __init__(
        self,
        holder: Reservation,
        cap_bytes: int,
        is_shared: Callable[[str], bool] = lambda _address: False,
        freed: Callable[[], None] = lambda: None,
    ) -> None:
        """`holder` is what the ledger has for them; it is grown as far as `cap_bytes`. `freed` is called when it has
        shrunk: a good moment to return memory."""
        self._holder = holder
        self._cap_bytes = cap_bytes
        self._is_shared = is_shared
        self._freed = freed
        self._used_bytes = 0
        self._by_address: Counter[str] = Counter()
        self._line: deque[Account] = deque()

    @property
    def connections_max(self) -> int:
        """How many connections fit, if none of them holds anything."""
        return self._cap_bytes // CONNECTION_BYTES

    @property
    def used_bytes(self) -> int:
        return self._used_bytes

    def open(self, address: str) -> Account | None:
        """Return the account of a new connection; None: there is no room for it."""
        account = Account(self, address)
        return account if self.take(account, CONNECTION_BYTES) else None

    def take(self, account: Account, nbytes: int) -> bool:
        """Charge an account, if its address and all together stay within their shares and the ledger has it."""
        address = account.address
        own_bytes = self._by_address[address] + nbytes
        if own_bytes > self._cap_bytes * _ADDRESS_SHARE and not self._is_shared(address):
            return False
        if self._used_bytes + nbytes > self._cap_bytes or not self._cover(nbytes):
            return False
        self.enter(account, nbytes)
        return True

    def enter(self, account: Account, nbytes: int) -> None:
        """Charge what is there already, whether or not there is room: newcomers find less."""
        account.used_bytes += nbytes
        self._used_bytes += nbytes
        self._by_address[account.address] += nbytes
        self._cover(0)

    def give(self, account: Account, nbytes: int) -> None:
        """Give bytes back."""
        nbytes = min(nbytes, account.used_bytes)
        account.used_bytes -= nbytes
        self._used_bytes -= nbytes
        self._by_address[account.address] -= nbytes
        if not self._by_address[account.address]:
            del self._by_address[account.address]
        surplus_bytes = (self._holder.reserved_bytes - self._used_bytes) // _STEP_BYTES * _STEP_BYTES - _STEP_BYTES
        if surplus_bytes > 0:
            self._holder.shrink(surplus_bytes)
            self._freed()

    async def wait(self, account: Account, nbytes: int, seconds: float) -> bool:
        """Charge an account as soon as there is room, in the order of those who wait; False: not in time."""
        if not self._line and self.take(account, nbytes):
            return True
        self._line.append(account)
        try:
            async with asyncio.timeout(seconds):
                while self._line[0] is not account or not self.take(account, nbytes):  # noqa: ASYNC110
                    await asyncio.sleep(_RETRY_SECONDS)
        except TimeoutError:
            return False
        finally:
            self._line.remove(account)
        return True

    def _cover(self, nbytes: int) -> bool:
        """Have the ledger cover what is used and so many bytes more; False: it does not have them now."""
        missing_bytes = self._used_bytes + nbytes - self._holder.reserved_bytes
        if missing_bytes <= 0:
            return True
        step_bytes = -(-missing_bytes // _STEP_BYTES) * _STEP_BYTES
        return self._holder.grow({OWNER: step_bytes})


class Account:
    """What one connection holds, in bytes."""

    __slots__ = ("_accounts", "address", "used_bytes")

    def __init__(self, accounts: Accounts, address: str) -> None:
        self._accounts = accounts
        self.address = address
        self.used_bytes = 0

    def take(self, nbytes: int) -> bool:
        """Charge bytes that are going to be held; False: there is no room for them now."""
        return self._accounts.take(self, nbytes)

    def enter(self, nbytes: int) -> None:
        """Charge bytes that are held already."""
        self._accounts.enter(self, nbytes)

    def give(self, nbytes: int) -> None:
        """Give bytes back."""
        self._accounts.give(self, nbytes)

    async def wait(self, nbytes: int, seconds: float) -> bool:
        """Charge bytes as soon as there is room; False: there was none in time."""
        return await self._accounts.wait(self, nbytes, seconds)

    def close(self) -> None:
        """Give everything back."""
        self._accounts.give(self, self.used_bytes)


class Loan:
    """Bytes of one message, charged to its connection until they are given back."""

    __slots__ = ("_account", "is_taken", "nbytes")

    def __init__(self, account: Account, nbytes: int) -> None:
        self._account = account
        self.nbytes = nbytes
        self.is_taken = False

    def take(self) -> None:
        """Keep the bytes charged until `release`, and not only until the next message is asked for."""
        self.is_taken = True

    def release(self) -> None:
        """Give the bytes back; does nothing the second time."""
        nbytes, self.nbytes = self.nbytes, 0
        self._account.give(nbytes)

    def shrink(self, nbytes: int) -> None:
        """Keep so many bytes charged, and give the rest back."""
        if nbytes < self.nbytes:
            self._account.give(self.nbytes - nbytes)
            self.nbytes = nbytes
