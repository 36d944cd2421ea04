"""Whose request it is where a proxy stands in between."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

_IPV6_PREFIX = 64

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

    def customer_of(self, peer: str, port: int) -> str:
        """Return what one client's connections have in common: the address; of a proxy's, each is a client's."""
        return f"{peer}:{port}" if self.trusts(peer) else network_of(peer)

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


def network_of(host: str) -> str:
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
