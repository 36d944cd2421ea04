"""What a route may ask for: what the lifespan opened, and who the client is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.http.guards import CLIENT_KEY
from app.server.forwarded import network_of


def opened(name: str) -> Callable[[HTTPConnection], Awaitable[Any]]:
    """Return the dependency on what the lifespan opened under `name`, a field of `bootstrap.House`."""

    async def find(connection: HTTPConnection) -> Any:
        return getattr(connection.state, name)

    return find


async def client_of(connection: HTTPConnection) -> str:
    """Return who asks, for fairness between clients: the key, where one was sent and matched, else the address."""
    key: str | None = connection.scope.get(CLIENT_KEY)
    return key or (network_of(connection.client.host) if connection.client else "unknown")


ClientDep = Annotated[str, Depends(client_of)]
