"""One port that is listened on: opened, and closed so that nobody who has come already is turned away."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from email.utils import formatdate
from typing import Any

from app.server.front import Front
from app.server.uvicorn_parts import ServerState

logger = logging.getLogger("ballast.server")

STALL_SECONDS = 30

_BACKLOG = 2048
"""Connections that may wait to be accepted (uvicorn's default)."""

_NOT_HERE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""What a name such as `localhost` gets for its second address where there is no IPv6."""


class Listener:
    """Hands new connections to a front. `state` is what they have in common."""

    def __init__(self, name: str, front: Front, host: str, port: int) -> None:
        self._name = name
        self._front = front
        self._address = (host, port)
        self._state = ServerState()
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []

    @property
    def front(self) -> Front:
        return self._front

    @property
    def address(self) -> str:
        host, port = self._address
        return f"{host}:{port}"

    @property
    def port(self) -> int:
        """The port that was taken."""
        return int(self._sockets[0].getsockname()[1])

    async def bind(self) -> None:
        """Take the port; nobody is let in yet.

        Raises:
            OSError: the address is not ours, or the port is taken.
        """
        host, port = self._address
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        failed: OSError | None = None
        for family, kind, protocol, _, address in dict.fromkeys(found):
            taken = self._sockets[0].getsockname()[1] if self._sockets else port
            try:
                self._sockets.append(_bound(socket.socket(family, kind, protocol), (address[0], taken, *address[2:])))
            except OSError as error:
                failed = error
                if error.errno not in _NOT_HERE:
                    break
        if failed is not None and (failed.errno not in _NOT_HERE or not self._sockets):
            self.release()
            raise failed

    def release(self) -> None:
        """Give the port back, if nobody was let in."""
        for listener in self._sockets:
            listener.close()

    async def open(self) -> None:
        """Let clients in."""
        self.refresh_date()
        loop = asyncio.get_running_loop()
        for listener in self._sockets:
            server = await loop.create_server(self._connection, sock=listener, backlog=_BACKLOG)
            self._servers.append(server)
            host, port = listener.getsockname()[:2]
            host = f"[{host}]" if ":" in host else host
            logger.info("%s on http://%s:%d", self._name, host, port, extra={"port": port})

    def refresh_date(self) -> None:
        """Renew the field that every answer has; call it each second (RFC 9110, section 6.6.1)."""
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]

    async def close(self) -> None:
        """Listen no longer. Whoever the kernel has let in already is answered: closing the port would reset them."""
        loop = asyncio.get_running_loop()
        twins = [listener.dup() for listener in self._sockets]
        for server in self._servers:
            server.close()
        for twin in twins:
            twin.setblocking(False)
            came = _accept_all(twin)
            twin.close()
            for connection in came:
                await loop.connect_accepted_socket(self._connection, connection)

    def _connection(self) -> asyncio.BaseProtocol:
        return self._front.connection(self._state)


def _bound(listener: socket.socket, address: tuple[Any, ...]) -> socket.socket:
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listener.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _drop_stalled(listener)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def _drop_stalled(listener: socket.socket) -> None:
    """Have the kernel cut connections whose client reads nothing for `STALL_SECONDS`; accepted sockets inherit it.

    A client that asks for a large answer and does not read it would hold its buffers for ever (TCP_USER_TIMEOUT,
    tcp(7)).
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALL_SECONDS * 1000)


def _accept_all(listener: socket.socket) -> list[socket.socket]:
    """Return the connections that wait to be accepted."""
    came: list[socket.socket] = []
    while len(came) < _BACKLOG:
        try:
            connection, _ = listener.accept()
        except OSError:  # nobody is left, or one has gone meanwhile
            break
        connection.setblocking(False)
        came.append(connection)
    return came
