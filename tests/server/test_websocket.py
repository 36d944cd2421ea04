"""WebSockets of a front of our own: read when they are asked for, charged before they are read."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close

from app.domain.units import KIB
from app.server.messages import MAX_FRAGMENTS, MAX_PINGS, SMALL_BYTES
from tests.server.fronts import MESSAGE_BYTES, Stand, open_front, take_all

UPGRADE = (
    b"GET /s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MASK = b"\x00\x00\x00\x00"  # what is masked by it stays as it is


class Echo:
    """Sends back what comes: binary messages as their length, text as it is. `gate` holds it before each message."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.loans: list[Any] = []
        self.ended: dict[str, Any] | None = None
        self.keeps_loans = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["path"] == "/s"
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while True:
            await self.gate.wait()
            message = await receive()
            if message["type"] == "websocket.disconnect":
                self.ended = dict(message)
                return
            self.loans.append(message["loan"])
            if self.keeps_loans and message["loan"] is not None:
                message["loan"].take()
            if message.get("text") == "close":
                await send({"type": "websocket.close", "code": 4000, "reason": "asked"})
            elif message.get("text") == "fail":
                raise RuntimeError("a fault")
            else:
                text = message["text"] if "text" in message else f"{len(message['bytes'])} bytes"
                await send({"type": "websocket.send", "text": text})


@asynccontextmanager
async def opened(stand: Stand) -> AsyncIterator[ClientConnection]:
    async with connect(f"ws://127.0.0.1:{stand.port}/s", compression=None, max_size=None) as client:
        yield client


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, size: int | None = None) -> bytes:
    """Return a client's frame; with a `size` its head says that, whatever comes."""
    size = len(payload) if size is None else size
    first = opcode | (0x80 if fin else 0)
    if size < 126:
        return bytes([first, 0x80 | size]) + MASK + payload
    if size < 1 << 16:
        return bytes([first, 0x80 | 126]) + struct.pack("!H", size) + MASK + payload
    return bytes([first, 0x80 | 127]) + struct.pack("!Q", size) + MASK + payload


async def raw(stand: Stand) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a client that has shaken hands, and sends what bytes it likes."""
    reader, writer = await stand.connect()
    writer.write(UPGRADE)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    return reader, writer


async def close_code(reader: asyncio.StreamReader) -> int:
    """Return the code of the close frame that comes, whatever comes before it."""
    async with asyncio.timeout(10):
        while True:
            first, size = await reader.readexactly(2)
            if size == 126:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
            payload = await reader.readexactly(size)
            if first & 0x0F == 8:
                return Close.parse(payload).code


async def test_messages_are_echoed_whatever_their_size_and_kind() -> None:
    async with open_front(Echo()) as stand, opened(stand) as client:
        answers = []
        for message in ("text", "ü" * 500, b"", b"x" * 125, b"x" * 126, b"x" * 70_000, bytes(MESSAGE_BYTES)):
            await client.send(message)
            answers.append(await client.recv())

    assert answers == ["text", "ü" * 500, "0 bytes", "125 bytes", "126 bytes", "70000 bytes", f"{MESSAGE_BYTES} bytes"]


async def test_fragments_are_joined_and_pings_answered_between_them() -> None:
    async with open_front(Echo()) as stand, opened(stand) as client:
        pong = await client.ping()
        await client.send([b"a" * 10, b"b" * 20, b"c" * 70_000])
        answer = await client.recv()
        await asyncio.wait_for(pong, 5)

    assert answer == "70030 bytes"


async def test_a_client_that_closes_is_answered_and_the_application_told() -> None:
    app = Echo()
    async with open_front(app) as stand:
        async with opened(stand) as client:
            await client.close(4001, "bye")
        await stand.until(lambda: app.ended is not None)

    assert app.ended == {"type": "websocket.disconnect", "code": 4001, "reason": "bye"}
    assert client.close_code == 4001


async def test_an_application_that_closes_does_so_with_its_code() -> None:
    async with open_front(Echo()) as stand, opened(stand) as client:
        await client.send("close")
        with pytest.raises(ConnectionClosed):
            await client.recv()

    assert (client.close_code, client.close_reason) == (4000, "asked")


async def test_an_application_that_fails_is_closed_for(caplog: pytest.LogCaptureFixture) -> None:
    async with open_front(Echo()) as stand, opened(stand) as client:
        await client.send("fail")
        with pytest.raises(ConnectionClosed):
            await client.recv()

    assert client.close_code == 1011
    assert "a fault" in caplog.text


async def test_a_client_that_goes_without_a_word_is_told_of() -> None:
    app = Echo()
    async with open_front(app) as stand:
        _, writer = await raw(stand)
        writer.transport.abort()
        await stand.until(lambda: app.ended is not None)

    assert app.ended is not None
    assert app.ended["code"] == 1006


async def test_a_handshake_that_is_refused_by_the_application_is_answered_as_it_says() -> None:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        await receive()
        await send({"type": "websocket.http.response.start", "status": 403, "headers": [(b"content-length", b"2")]})
        await send({"type": "websocket.http.response.body", "body": b"no"})

    async with open_front(refuse) as stand:
        with pytest.raises(InvalidStatus) as refused:
            async with opened(stand):
                pass

    assert (refused.value.response.status_code, refused.value.response.body) == (403, b"no")


@pytest.mark.parametrize(
    ("change", "status"),
    [((b"Version: 13", b"Version: 12"), b"400"), ((b"dGhlIHNhbXBsZSBub25jZQ==", b"short"), b"400")],
)
async def test_a_handshake_that_is_not_valid_gets_a_problem(change: tuple[bytes, bytes], status: bytes) -> None:
    async with open_front(Echo()) as stand:
        reader, writer = await stand.connect()
        writer.write(UPGRADE.replace(*change))
        answer = await asyncio.wait_for(reader.read(), 10)

    assert answer.split()[1] == status
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "bad_request"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(2, size=MESSAGE_BYTES + 1), 1009),
        (frame(2, size=1 << 62), 1009),
        (frame(2, b"x" * 10, fin=False) + frame(0, size=MESSAGE_BYTES), 1009),
        (b"\x82\x01x", 1002),
        (b"\xc2\x81" + MASK + b"x", 1002),
        (frame(3, b"x"), 1002),
        (frame(9, b"x" * 126), 1002),
        (frame(9, b"x", fin=False), 1002),
        (frame(0, b"x"), 1002),
        (frame(2, b"x", fin=False) + frame(2, b"x"), 1002),
        (frame(8, b"\x03"), 1002),
        (frame(1, b"\xff\xfe"), 1007),
        (frame(9) * (MAX_PINGS + 1), 1008),
        (frame(2, b"", fin=False) + frame(0, b"", fin=False) * (MAX_FRAGMENTS + 1), 1008),
    ],
)
async def test_what_is_not_allowed_is_closed_with_its_code_before_its_payload_is_read(sent: bytes, code: int) -> None:
    async with open_front(Echo()) as stand:
        reader, writer = await raw(stand)
        writer.write(sent)

        assert await close_code(reader) == code


async def test_a_large_message_is_lent_its_bytes_until_the_next_is_asked_for() -> None:
    app = Echo()
    async with open_front(app) as stand, opened(stand) as client:
        before = stand.accounts.used_bytes
        app.gate.clear()
        await client.send(b"x" * (SMALL_BYTES + 1))
        app.gate.set()
        await client.recv()
        await client.send(b"small")
        await client.recv()
        after = stand.accounts.used_bytes

    assert before == after
    assert [loan is not None for loan in app.loans] == [True, False]


async def test_a_loan_that_is_taken_stays_until_it_is_given_back() -> None:
    app = Echo()
    app.keeps_loans = True
    async with open_front(app) as stand, opened(stand) as client:
        before = stand.accounts.used_bytes
        await client.send(b"x" * 100_000)
        await client.recv()
        await client.send(b"small")
        await client.recv()
        within = stand.accounts.used_bytes
        app.loans[0].release()
        after = stand.accounts.used_bytes

    assert within == before + 100_000
    assert after == before


async def test_an_unfinished_message_is_charged_before_it_is_read_and_comes_back_with_its_client() -> None:
    async with open_front(Echo()) as stand:
        _, writer = await raw(stand)
        before = stand.accounts.used_bytes
        writer.write(frame(2, b"x" * 10, size=150_000))
        await stand.until(lambda: stand.accounts.used_bytes == before + 300_000)
        writer.transport.abort()
        await stand.until_left()


async def test_where_there_is_no_memory_for_a_message_it_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.server.messages.LOAN_SECONDS", 0.1)
    async with open_front(Echo(), cap_bytes=128 * KIB) as stand:
        reader, writer = await raw(stand)
        writer.write(frame(2, size=150_000))

        assert await close_code(reader) == 1013


async def test_a_message_that_comes_too_slowly_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.server.messages._LATE_SECONDS", -2.0)
    async with open_front(Echo()) as stand:
        reader, writer = await raw(stand)
        writer.write(frame(2, b"x" * 10, size=150_000))

        assert await close_code(reader) == 1008


async def test_nothing_is_read_while_the_application_does_not_ask() -> None:
    app = Echo()
    app.gate.clear()
    async with open_front(app) as stand:
        _, writer = await raw(stand)
        writer.write(frame(1, b"x" * 100) * 100_000)
        await asyncio.sleep(0.1)

        (connection,) = stand.state.connections
        assert len(connection.inlet.unread) <= 32 * KIB  # type: ignore[union-attr]
        writer.transport.abort()
        app.gate.set()
        await stand.until_left()


async def test_a_silent_client_is_asked_and_one_that_does_not_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.server.websocket.PING_SECONDS", 0.2)
    app = Echo()
    async with open_front(app) as stand, opened(stand) as client:
        _, _writer = await raw(stand)  # answers no ping
        await stand.until(lambda: app.ended is not None)
        await client.send("still here")

        assert await client.recv() == "still here"


async def test_the_end_of_the_service_is_told() -> None:
    async with open_front(Echo()) as stand, opened(stand) as client:
        for connection in tuple(stand.state.connections):
            connection.shutdown()
        with pytest.raises(ConnectionClosed):
            await client.recv()

    assert client.close_code == 1012


async def test_above_the_cap_a_websocket_is_refused_with_a_problem() -> None:
    async with open_front(Echo()) as stand:
        taken = take_all(stand.budget)
        with pytest.raises(InvalidStatus) as refused:
            async with opened(stand):
                pass
        taken.release()  # type: ignore[attr-defined]

    assert refused.value.response.status_code == 503
