"""Who is let in: a cap on connections that always has room for the probes.

A connection that comes when all slots are taken, or when there are no bytes for it, is an overflow connection: it is
still answered once, /health and /metrics as ever, anything else with 503. Those are few, too: the oldest is closed to
make room for the next. WebSockets and idle keep-alive connections count.
"""

from __future__ import annotations

from app.server.accounts import Accounts
from app.server.connection import Connection

MAX_OVERFLOW = 32
"""Connections beyond the cap that may be open at a time: probes, and those that are being refused."""


class Slots:
    """The slots of one listener. `spare` has the bytes of the overflow."""

    def __init__(self, accounts: Accounts, spare: Accounts, total: int) -> None:
        self._accounts = accounts
        self._spare = spare
        self._total = total
        self._taken = 0
        self._overflow: dict[Connection, None] = {}  # in the order of arrival

    def admit(self, connection: Connection) -> bool:
        """Open the account of a new connection, in a slot or in overflow; False: neither."""
        address = connection.client[0]
        account = self._accounts.open(address) if self._taken < self._total else None
        if account is not None:
            self._taken += 1
        else:
            connection.is_overflow = True
            if len(self._overflow) >= MAX_OVERFLOW:
                self._drop_oldest()
            account = self._spare.open(address)
            if account is None:
                return False
            self._overflow[connection] = None
        connection.account = account
        connection.is_admitted = True
        return True

    def remove(self, connection: Connection) -> None:
        """Take back the slot of a connection that is closed."""
        if not connection.is_admitted:
            return
        if connection.is_overflow:
            self._overflow.pop(connection, None)
        else:
            self._taken -= 1
        connection.account.close()

    def _drop_oldest(self) -> None:
        oldest = next(iter(self._overflow))
        del self._overflow[oldest]
        oldest.account.close()
        oldest.cut()
