"""Large bodies that pass the parser by, cut in any way, one after the other on one connection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from app.domain.units import KIB, MIB
from app.server import protocols
from app.server.large_body import PIECE_BYTES, BodyReader, announced_bytes
from app.server.protocols import BoundedHttp
from tests.server.transports import NotingTransport

LARGE_BYTES = 100
"""The threshold in these tests."""

_MOST_AT_A_TIME = 256_000  # uvloop's buffer


class Transport(NotingTransport):
    """Gives bytes to whatever protocol it has, as an event loop does: nothing while it is paused."""

    def __init__(self, connection: BoundedHttp) -> None:
        super().__init__()
        self.protocol: Any = connection
        self.offered: list[int] = []

    async def deliver(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            for _ in range(1000):
                if not self.paused:
                    break
                await asyncio.sleep(0)
            assert not self.paused, "nobody takes what was sent"
            rest = rest[self._give(rest) :]

    def _give(self, rest: memoryview) -> int:
        if not isinstance(self.protocol, BodyReader):
            some = bytes(rest[:_MOST_AT_A_TIME])
            self.protocol.data_received(some)
            return len(some)
        with memoryview(self.protocol.get_buffer(-1)) as buffer:
            self.offered.append(len(buffer))
            count = min(len(buffer), len(rest))
            buffer[:count] = rest[:count]
            self.protocol.buffer_updated(count)
        return count

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol


class Application:
    """Reads each body to its end and answers; keeps bodies, and the pieces in which they came."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.pieces: list[bytes | bytearray] = []
        self.disconnected = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/refused":
            await _answer(send, 413)
            return
        body, more = bytearray(), True
        while more:
            message: Message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected = True
                return
            self.pieces.append(message["body"])
            body += message["body"]
            more = message["more_body"]
        self.bodies.append(bytes(body))
        await _answer(send, 204)


async def _answer(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def connect(application: Application) -> Transport:
    config = Config(application, log_config=None, access_log=False)
    config.load()
    connection = BoundedHttp(config, ServerState(), {}, asyncio.get_running_loop())
    transport = Transport(connection)
    connection.connection_made(transport)
    return transport


def request(body: bytes, *fields: bytes, path: bytes = b"/") -> bytes:
    head = [b"POST " + path + b" HTTP/1.1", b"Host: localhost", b"Content-Length: %d" % len(body), *fields]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def noise(size: int, seed: int = 0) -> bytes:
    return bytes((seed + number * 7) % 251 for number in range(size))


async def until_idle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def small_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols, "LARGE_BYTES", LARGE_BYTES)


@settings(max_examples=200, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 5 * LARGE_BYTES), min_size=1, max_size=5),
    cuts=st.lists(st.integers(1, 400), min_size=1, max_size=20),
)
def test_bodies_of_any_size_cut_anywhere_arrive_as_they_were_sent(sizes: list[int], cuts: list[int]) -> None:
    bodies = [noise(size, number) for number, size in enumerate(sizes)]
    stream = b"".join(request(body) for body in bodies)

    async def run() -> list[bytes]:
        application = Application()
        transport = connect(application)
        at, turn = 0, 0
        while at < len(stream):
            cut = cuts[turn % len(cuts)]
            await transport.deliver(stream[at : at + cut])
            at, turn = at + cut, turn + 1
        await until_idle()
        assert transport.written.count(b"HTTP/1.1 204") == len(bodies)
        return application.bodies

    assert asyncio.run(run()) == bodies


async def test_a_piece_is_handed_on_as_it_was_read_and_pieces_grow_with_what_comes() -> None:
    application = Application()
    transport = connect(application)

    await transport.deliver(request(noise(3 * MIB)))
    await until_idle()

    assert application.bodies == [noise(3 * MIB)]
    assert transport.offered == sorted(transport.offered[:-1]) + transport.offered[-1:]
    assert max(transport.offered) == PIECE_BYTES
    assert max(map(len, application.pieces)) == PIECE_BYTES


async def test_pieces_shrink_again_where_little_comes_at_a_time() -> None:
    transport = connect(Application())
    stream = request(noise(4 * MIB))

    await transport.deliver(stream[: 3 * MIB])
    for at in range(3 * MIB, len(stream), 8 * KIB):
        await transport.deliver(stream[at : at + 8 * KIB])
    await until_idle()

    assert max(transport.offered) == PIECE_BYTES
    assert transport.offered[-10] <= 64 * KIB


async def test_nothing_is_read_while_a_piece_waits_for_the_application() -> None:
    application = Application()
    transport = connect(application)
    transport.protocol.data_received(request(b"")[:-4] + b"\r\nX: y\r\n\r\n")  # answered: the next one is not queued
    await until_idle()
    transport.protocol.data_received(request(noise(1000)).removesuffix(noise(1000)))

    with memoryview(transport.protocol.get_buffer(-1)) as buffer:
        buffer[:10] = noise(10)
        transport.protocol.buffer_updated(10)

    assert transport.paused
    await until_idle()
    assert not transport.paused
    assert application.pieces[-1] == noise(10)


async def test_what_follows_a_body_in_the_same_bytes_is_the_next_request() -> None:
    application = Application()
    transport = connect(application)

    await transport.deliver(request(noise(500)) + request(b"small") + request(noise(700)))
    await until_idle()

    assert application.bodies == [noise(500), b"small", noise(700)]


async def test_a_body_that_is_not_wanted_is_passed_over_and_the_next_request_is_answered() -> None:
    application = Application()
    transport = connect(application)

    head = request(noise(100_000), path=b"/refused").removesuffix(noise(100_000))
    await transport.deliver(head)
    await until_idle()
    await transport.deliver(noise(100_000) + request(b"next"))
    await until_idle()

    assert application.bodies == [b"next"]
    assert transport.written.count(b"HTTP/1.1") == 2


async def test_a_client_that_leaves_in_the_middle_is_noticed() -> None:
    application = Application()
    transport = connect(application)
    stream = request(noise(1000))
    await transport.deliver(stream[:-500])

    transport.protocol.eof_received()
    transport.protocol.connection_lost(None)
    await until_idle()

    assert application.disconnected
    assert application.bodies == []


async def test_who_waits_for_a_100_continue_gets_one() -> None:
    application = Application()
    transport = connect(application)
    stream = request(noise(1000), b"Expect: 100-continue")

    await transport.deliver(stream.removesuffix(noise(1000)))
    await until_idle()
    told = transport.written
    await transport.deliver(noise(1000))
    await until_idle()

    assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert application.bodies == [noise(1000)]


async def test_an_upgrade_with_a_body_is_no_large_body() -> None:
    transport = connect(Application())
    upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 1000\r\n\r\n"

    transport.protocol.data_received(upgrade)

    assert not isinstance(transport.protocol, BodyReader)


def test_the_announced_length_is_0_without_the_field() -> None:
    assert announced_bytes([(b"host", b"localhost")]) == 0
    assert announced_bytes([(b"host", b"localhost"), (b"content-length", b"42")]) == 42
