"""What a route may ask for: what the lifespan opened, and who the client is."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.http.guards import CLIENT_KEY

_IPV6_PREFIX = 64


def opened(name: str) -> Callable[[HTTPConnection], Awaitable[Any]]:
    """Return the dependency on what the lifespan opened under `name`, a field of `bootstrap.House`."""

    async def find(connection: HTTPConnection) -> Any:
        return getattr(connection.state, name)

    return find


async def client_of(connection: HTTPConnection) -> str:
    """Return who asks, for fairness between clients: the key, where one was sent and matched, else the address."""
    key: str | None = connection.scope.get(CLIENT_KEY)
    return key or (_network_of(connection.client.host) if connection.client else "unknown")


def _network_of(host: str) -> str:
    """Return an address in one spelling; of IPv6 the network, of which one machine has all 2**64 (RFC 4291, 2.5.1)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), _IPV6_PREFIX), strict=False))


ClientDep = Annotated[str, Depends(client_of)]
