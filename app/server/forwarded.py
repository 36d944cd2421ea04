"""Whose request it is where a proxy stands in between."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxies:
    """The proxies that are trusted to say for whom they ask (`X-Forwarded-For`)."""

    def __init__(self, networks: Iterable[str]) -> None:
        """Addresses, or networks such as 10.0.0.0/8.

        Raises:
            ValueError: one is neither.
        """
        self._networks: tuple[_Network, ...] = tuple(ipaddress.ip_network(name, strict=False) for name in networks)

    def trusts(self, address: str) -> bool:
        if not self._networks:
            return False
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)

    def client_of(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Return the address of the client: the last one in the chain that is none of the proxies.

        What stands before it in the field was written by the client, and may be anything.
        """
        if not self.trusts(peer):
            return peer
        values = [value for name, value in headers if name == b"x-forwarded-for"]
        client = peer
        for entry in reversed(b",".join(values).split(b",")):
            address = _address(entry.strip().decode("latin-1"))
            if address is None:
                break
            client = address
            if not self.trusts(client):
                break
        return client


def _address(entry: str) -> str | None:
    """Return an entry's address, without a port; None: it is none."""
    host = entry
    if entry.startswith("["):
        host = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        host = entry.partition(":")[0]
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None
