from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.server.linger import LingeringClose

Handler = Callable[[Request], Awaitable[Response]]
NO_TIME = 0.01


class Connection:
    """Plays the server: gives `pieces` of a body, then nothing more; keeps what is sent."""

    def __init__(self, pieces: list[bytes], *, whole: bool) -> None:
        self.messages: list[Message] = [
            {"type": "http.request", "body": piece, "more_body": not (whole and at == len(pieces) - 1)}
            for at, piece in enumerate(pieces)
        ]
        self.unread = len(self.messages)
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if not self.messages:
            await asyncio.sleep(3600)
        self.unread -= 1
        return self.messages.pop(0)

    async def send(self, message: Message) -> None:
        self.sent.append(message)


async def play(handler: Handler, connection: Connection, length: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await handler(Request(scope, receive))
        await response(scope, receive, send)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-length", str(length).encode())]}
    await LingeringClose(app, total_seconds=1, idle_seconds=NO_TIME)(scope, connection.receive, connection.send)


def headers(connection: Connection) -> dict[bytes, bytes]:
    return dict(connection.sent[0]["headers"])


async def refuse(_request: Request) -> Response:
    return Response("no", 413)


async def read(request: Request) -> Response:
    return Response(await request.body())


async def test_an_early_answer_is_sent_whole_before_the_rest_is_thrown_away() -> None:
    connection = Connection([b"a", b"b", b"c"], whole=True)

    await play(refuse, connection, 3)

    assert [message.get("body") for message in connection.sent] == [None, b"no", b""]
    assert [message.get("more_body") for message in connection.sent] == [None, True, False]
    assert headers(connection)[b"connection"] == b"close"
    assert connection.unread == 0


async def test_a_client_that_sends_nothing_more_is_not_waited_for() -> None:
    connection = Connection([b"a"], whole=False)

    await play(refuse, connection, 3)

    assert connection.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_an_answer_to_a_body_that_was_read_is_not_touched() -> None:
    connection = Connection([b"a", b"b"], whole=True)

    await play(read, connection, 2)

    assert [message.get("body") for message in connection.sent] == [None, b"ab"]
    assert b"connection" not in headers(connection)


async def test_an_answer_to_a_request_without_a_body_is_not_touched() -> None:
    connection = Connection([], whole=True)

    await play(refuse, connection, 0)

    assert b"connection" not in headers(connection)
    assert connection.sent[-1].get("more_body", False) is False
