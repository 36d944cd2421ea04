"""Who is let in: a cap on connections that always has room for the probes.

A connection that comes when all slots are taken, or when there are no bytes for it, is an overflow connection: it is
still answered once, /health and /metrics as ever, anything else with 503. Those are few, too: the oldest is closed to
make room for the next. WebSockets and idle keep-alive connections count.
"""

from __future__ import annotations

import logging

from app.log import ThrottledLog
from app.server.accounts import Accounts
from app.server.connection import Connection
from app.server.forwarded import network_of
from app.server.traffic import REFUSALS

logger = logging.getLogger("ballast.server")

MAX_OVERFLOW = 32
"""Connections beyond the cap that may be open at a time: probes, and those that are being refused."""

_SHORT_SHARE = 0.75


class Slots:
    """The slots of one listener. `spare` has the bytes of the overflow."""

    def __init__(self, accounts: Accounts, spare: Accounts, total: int) -> None:
        self._accounts = accounts
        self._spare = spare
        self._total = total
        self._taken = 0
        self._overflow: dict[Connection, None] = {}  # in the order of arrival
        self.refused = dict.fromkeys(REFUSALS, 0)
        self._log = ThrottledLog(logger)

    @property
    def are_short(self) -> bool:
        """Whether most slots are taken: idle connections have less time then."""
        return self._taken >= self._total * _SHORT_SHARE

    def admit(self, connection: Connection) -> bool:
        """Open the account of a new connection, in a slot or in overflow; False: neither."""
        address = network_of(connection.client[0])
        has_slot = self._taken < self._total
        account = self._accounts.open(address) if has_slot else None
        if account is not None:
            self._taken += 1
        else:
            self._refuse("memory" if has_slot else "cap", address)
            connection.is_overflow = True
            if len(self._overflow) >= MAX_OVERFLOW:
                self._drop_oldest()
            account = self._spare.open(address)
            if account is None:
                self._refuse("overflow", address)
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
        self._refuse("overflow", oldest.client[0])

    def _refuse(self, reason: str, address: str) -> None:
        self.refused[reason] += 1
        self._log.warning(reason, "a connection has no slot: %s", reason, client=address, taken=self._taken)
