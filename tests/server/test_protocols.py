"""Bodies on their way through our connection, with a transport that only notes what is asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from starlette.types import Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from app.server.protocols import BoundedHttp
from tests.server.transports import NotingTransport


class Application:
    """Takes bodies, when it is let, and keeps the pieces as they came."""

    def __init__(self) -> None:
        self.may_read = asyncio.Event()
        self.pieces: list[bytes] = []
        self.done = asyncio.Event()

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            await self.may_read.wait()
            message: Message = await receive()
            self.pieces.append(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        self.done.set()


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
async def connection(application: Application) -> BoundedHttp:
    config = Config(application, log_config=None, access_log=False)
    config.load()
    connection = BoundedHttp(config, ServerState(), {}, asyncio.get_running_loop())
    connection.connection_made(NotingTransport())
    return connection


def head(length: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % length


async def turn_until(seen: Callable[[], bool]) -> None:
    for _ in range(100):
        if seen():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not happen")


async def test_a_piece_that_finds_nothing_waiting_is_handed_on_without_a_copy(
    connection: BoundedHttp, application: Application
) -> None:
    piece = b"x" * 1000
    connection.data_received(head(2 * len(piece)))
    application.may_read.set()

    connection.on_body(piece)
    await turn_until(lambda: len(application.pieces) == 1)
    connection.on_body(piece)
    await turn_until(lambda: len(application.pieces) == 2)

    assert all(one is piece for one in application.pieces)


@pytest.mark.parametrize(
    "sizes", [[1, 1], [1, 2, 3], [5000, 1, 70_000], [1] * 3000], ids=["two", "three", "large ones", "many tiny ones"]
)
async def test_pieces_that_wait_come_in_their_order(
    connection: BoundedHttp, application: Application, sizes: list[int]
) -> None:
    data = bytes(number % 251 for number in range(sum(sizes)))
    connection.data_received(head(len(data)))

    at = 0
    for size in sizes:
        connection.data_received(data[at : at + size])
        at += size
    application.may_read.set()
    await application.done.wait()

    assert b"".join(application.pieces) == data
    assert len(application.pieces) == 1
    assert type(application.pieces[0]) is bytes


async def test_more_than_may_wait_stops_reading_until_it_was_taken(
    connection: BoundedHttp, application: Application
) -> None:
    transport = connection.transport
    assert isinstance(transport, NotingTransport)
    connection.data_received(head(140_001))

    connection.data_received(b"x" * 70_000)
    paused_after_the_first = transport.paused
    connection.data_received(b"x" * 70_000)
    application.may_read.set()
    await turn_until(lambda: len(application.pieces) == 1)
    await turn_until(lambda: not transport.paused)
    connection.data_received(b"x")
    await application.done.wait()

    assert paused_after_the_first
    assert [len(piece) for piece in application.pieces] == [140_000, 1]


async def test_two_requests_on_one_connection_get_their_own_bodies(
    connection: BoundedHttp, application: Application
) -> None:
    application.may_read.set()

    connection.data_received(head(3) + b"one" + head(3) + b"two")
    await turn_until(lambda: len(application.pieces) == 2)

    assert application.pieces == [b"one", b"two"]
