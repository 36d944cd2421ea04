"""The fronts of all listeners, and what their connections have in the ledger."""

from __future__ import annotations

import logging
import resource
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Protocol

from starlette.types import ASGIApp

from app.domain.units import KIB, MIB
from app.memory.budget import MemoryBudget
from app.memory.trim import MemoryTrimmer
from app.server.accounts import OWNER, Accounts
from app.server.forwarded import Proxies
from app.server.front import Bounds, Front
from app.server.lifecycle import Lifecycle
from app.server.slots import Slots
from app.settings import Settings

logger = logging.getLogger("ballast.server")

MAX_CONNECTIONS = 10_000
"""Where neither memory nor a setting says less."""

_SPARE_BYTES = MIB
"""For connections beyond the cap, and for the probe listener: 32 of them."""

_PROBE_CONNECTIONS = 32
_OTHER_FILES = 256


class Core(Protocol):
    """What this server uses of the state under `core`."""

    @property
    def lifecycle(self) -> Lifecycle: ...
    @property
    def governor(self) -> _Governor: ...
    @property
    def limit(self) -> _Limit: ...


class _Governor(Protocol):
    @property
    def budget(self) -> MemoryBudget: ...
    @property
    def trimmer(self) -> MemoryTrimmer: ...


class _Limit(Protocol):
    @property
    def limit_bytes(self) -> int: ...


class Fronts:
    """Opens the accounts of each listener's connections in the ledger; they are closed with the stack."""

    def __init__(self, state: Mapping[str, Any], settings: Settings, stack: AsyncExitStack) -> None:
        self._state = state
        self._core: Core = state["core"]
        self._settings = settings
        self._stack = stack

    def open(self, app: ASGIApp) -> Front:
        """Return the front of the listener for everything."""
        server = self._settings.server
        governor = self._core.governor
        holder = governor.budget.record({}, owner=OWNER)
        self._stack.callback(holder.release)
        cap_bytes = int(self._core.limit.limit_bytes * server.connection_share)
        accounts = Accounts(holder, cap_bytes, Proxies(server.trusted_proxies).trusts, governor.trimmer.request)
        wanted = MAX_CONNECTIONS if server.max_connections is None else server.max_connections
        connections = min(wanted, accounts.connections_max)
        _allow_files(connections)
        return self._front(app, accounts, connections)

    def open_for_probes(self, app: ASGIApp) -> Front:
        """Return the front of the probe listener, which has bytes of its own."""
        return self._front(app, self._reserve(), _PROBE_CONNECTIONS)

    def _front(self, app: ASGIApp, accounts: Accounts, connections: int) -> Front:
        settings = self._settings
        bounds = Bounds(
            header_seconds=settings.server.header_seconds,
            min_rate=settings.server.min_rate,
            # A frame may come as base64, which is a third longer, in a JSON message.
            message_bytes=settings.vision.max_bytes * 4 // 3 + 64 * KIB,
        )
        proxies = Proxies(settings.server.trusted_proxies)
        return Front(app, Slots(accounts, self._reserve(), connections), bounds, proxies, self._state)

    def _reserve(self) -> Accounts:
        holder = self._core.governor.budget.hold({"reserve": _SPARE_BYTES}, owner=OWNER)
        self._stack.callback(holder.release)
        return Accounts(holder, _SPARE_BYTES, is_shared=lambda _address: True)


def _allow_files(connections: int) -> None:
    """Raise the limit of open files where that many connections, with a file for each, could reach it."""
    wanted = 2 * connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        if allowed < wanted:
            logger.warning("%d files may be open: lower BALLAST_SERVER__MAX_CONNECTIONS or raise ulimit -n", allowed)
