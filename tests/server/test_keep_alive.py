"""How long an idle connection is kept."""

from __future__ import annotations

import asyncio

import pytest

from app.domain.units import KIB
from app.server import front as front_module
from app.server.accounts import CONNECTION_BYTES
from app.server.front import Bounds
from tests.server.fronts import MESSAGE_BYTES, Stand, echo, open_front, read_answers

ASK = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def asked(stand: Stand) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection over which one request was answered."""
    reader, writer = await stand.connect()
    writer.write(ASK)
    assert (await read_answers(reader, 1))[0][0] == 200
    return reader, writer


async def test_an_idle_connection_is_closed_after_its_time_and_not_before() -> None:
    async with open_front(echo) as stand:
        stand.front.bounds = Bounds(10.0, 1024, MESSAGE_BYTES, keep_alive_seconds=0.3)
        reader, writer = await asked(stand)
        for _ in range(3):
            await asyncio.sleep(0.15)
            writer.write(ASK)
            assert (await read_answers(reader, 1))[0][0] == 200  # each request begins its time anew

        async with asyncio.timeout(10):
            assert await reader.read() == b""


async def test_where_most_slots_are_taken_the_longest_idle_ones_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_module, "SHORT_KEEP_ALIVE_SECONDS", 0.2)
    async with open_front(echo, cap_bytes=4 * CONNECTION_BYTES + KIB, trusted=("127.0.0.1",)) as stand:
        first, _ = await asked(stand)
        stand.front.look_after()
        await asyncio.sleep(0.3)
        stand.front.look_after()
        assert not first.at_eof()  # there are slots enough

        others = [await asked(stand) for _ in range(2)]
        stand.front.look_after()

        async with asyncio.timeout(10):
            assert await first.read() == b""
        assert not any(reader.at_eof() for reader, _ in others)
