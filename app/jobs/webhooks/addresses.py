"""Where webhooks may go: resolved once, and connected to what was resolved, so that no name leads inside later."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.errors import InvalidParameter

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """`path` with the query; `address` is where to connect to, None before it was resolved."""

    scheme: str
    host: str
    port: int
    path: str
    address: str | None = None

    @property
    def authority(self) -> str:
        """What the field Host says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class Addresses:
    """Judges the URLs of webhooks."""

    def __init__(self, *, private: bool) -> None:
        """`private`: they may go to private, loopback and link-local addresses."""
        self._private = private

    def read(self, url: str) -> Target:
        """Read a URL; an address in it that nothing may be sent to is refused at once.

        Raises:
            InvalidParameter: it is none that a webhook may have.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise InvalidParameter("webhook: it is not a URL.") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise InvalidParameter("webhook: give a URL that begins with https:// or http://.")
        if parts.username or parts.password:
            raise InvalidParameter("webhook: a URL with a user or a password is not taken; the body is signed.")
        if not url.isascii() or any(ord(character) <= 32 for character in url):
            raise InvalidParameter("webhook: write the URL in ASCII, without spaces.")
        if not _is_name(parts.hostname):
            raise InvalidParameter("webhook: its host is no name.")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        target = Target(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], path)
        if self._is_refused(target.host) or (not self._private and target.host == "localhost"):
            raise self._refusal()
        return target

    async def resolve(self, url: str) -> Target:
        """Return where to connect to: the first address of the name that something may be sent to.

        Raises:
            InvalidParameter: there is none.
            OSError: the name cannot be resolved.
        """
        target = self.read(url)
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses or any(self._is_refused(address) for address in addresses):
            raise self._refusal()
        return Target(target.scheme, target.host, target.port, target.path, addresses[0])

    def _is_refused(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False  # a name: judged when it is resolved
        mapped = getattr(address, "ipv4_mapped", None)
        return not self._private and not (mapped or address).is_global

    def _refusal(self) -> InvalidParameter:
        return InvalidParameter(
            "webhook: private, loopback and link-local addresses are refused (BALLAST_JOBS__WEBHOOK_PRIVATE)."
        )


def _is_name(host: str) -> bool:
    """Whether a host can be looked up: `getaddrinfo` raises ValueError for empty labels and those above 63 bytes."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True
