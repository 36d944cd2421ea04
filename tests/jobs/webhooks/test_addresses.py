"""Where webhooks may go."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from app.errors import InvalidParameter
from app.jobs.webhooks.addresses import Addresses

REFUSED = [
    "http://127.0.0.1/",
    "http://127.1.2.3:8000/x",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data",
    "http://100.64.0.1/",
    "http://0.0.0.0/",
    "http://[::1]/",
    "http://[fe80::1]/",
    "http://[fd00::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://localhost/",
]
NO_URLS = [
    *("", "x", "ftp://example.com/", "file:///etc/passwd", "https://", "http://a:b@example.com/", "http://x:99999/"),
    *("http://example.com/\r\nX: 1", "http://example.com/ä", "https://a..b/", f"https://{'a' * 64}.example/"),
]


@pytest.mark.parametrize("url", REFUSED)
def test_addresses_inside_are_refused_unless_they_are_allowed(url: str) -> None:
    with pytest.raises(InvalidParameter, match="webhook"):
        Addresses(private=False).read(url)

    assert Addresses(private=True).read(url).scheme == "http"


@pytest.mark.parametrize("url", NO_URLS)
@pytest.mark.parametrize("private", [True, False])
def test_what_is_no_url_is_refused(url: str, private: bool) -> None:
    with pytest.raises(InvalidParameter, match="webhook"):
        Addresses(private=private).read(url)


def test_a_url_is_taken_apart() -> None:
    target = Addresses(private=False).read("https://example.com:8443/a/b?c=d")

    assert (target.scheme, target.host, target.port, target.path) == ("https", "example.com", 8443, "/a/b?c=d")
    assert target.authority == "example.com:8443"
    assert Addresses(private=False).read("http://[2606:4700::1111]").authority == "[2606:4700::1111]"


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.1.1.1", "::1"])
def test_a_name_that_leads_inside_is_refused_when_it_is_resolved(monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    """Also where another of its addresses is outside: the next look-up might give the other one."""

    async def resolve() -> None:
        async def lookup(*_args: Any, **_options: Any) -> list[Any]:
            return [(socket.AF_INET, 1, 6, "", (address, 80)) for address in ("93.184.216.34", inside)]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup, raising=False)
        await Addresses(private=False).resolve("http://rebinding.example/")

    with pytest.raises(InvalidParameter, match="private"):
        asyncio.run(resolve())


def test_what_is_connected_to_is_what_was_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve() -> str | None:
        async def lookup(*_args: Any, **_options: Any) -> list[Any]:
            return [(socket.AF_INET, 1, 6, "", ("93.184.216.34", 80))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup, raising=False)
        return (await Addresses(private=False).resolve("http://example.com/")).address

    assert asyncio.run(resolve()) == "93.184.216.34"
