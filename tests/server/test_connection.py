"""Connections to a front of our own: one request at a time, and nothing that was not asked for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from app.domain.units import KIB, MIB
from app.server.body import PIECE_BYTES
from app.server.head import MAX_HEAD_BYTES
from app.server.inlet import SLICE_BYTES
from tests.server.fronts import answer, echo, open_front, read_answers, read_body, take_all
from tests.server.transports import NotingTransport

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def post(size: int) -> bytes:
    return b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size


CHUNKED = b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class Waiting:
    """An application that reads `pieces` of a body and then waits for ever; it says how it ended."""

    def __init__(self, pieces: int = 0) -> None:
        self._pieces = pieces
        self.began = asyncio.Event()
        self.ended = asyncio.Event()
        self.was_cancelled = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, send
        for _ in range(self._pieces):
            await receive()
        self.began.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        finally:
            self.ended.set()


async def test_requests_sent_in_one_go_are_answered_in_order_with_their_own_bodies() -> None:
    async with open_front(echo) as stand:
        reader, writer = await stand.connect()
        writer.write(GET + post(5) + b"hello" + CHUNKED + b"2\r\nab\r\n1\r\nc\r\n0\r\nX: y\r\n\r\n" + GET)

        answers = await read_answers(reader, 4)

        assert answers == [(200, f"{what} 127.0.0.1".encode()) for what in ("/a 0", "/p 5", "/c 3", "/a 0")]


@pytest.mark.parametrize("size", [1, SLICE_BYTES, SLICE_BYTES + 1, 3 * PIECE_BYTES + 7])
async def test_a_body_comes_as_it_was_sent_and_the_next_request_after_it(size: int) -> None:
    seen: list[bytes] = []

    async def keep(scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        seen.append(b"".join(await read_body(receive)))
        await answer(send, b"ok")

    body = bytes(index * 7 % 251 for index in range(size))
    async with open_front(keep) as stand:
        reader, writer = await stand.connect()
        writer.write(post(size) + body + GET)

        assert await read_answers(reader, 2) == [(200, b"ok")] * 2
        assert seen == [body, b""]


async def test_pieces_grow_with_what_comes_and_stay_small_where_they_cannot_be_charged() -> None:
    sizes: list[int] = []

    async def measure(scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        sizes.append(max(map(len, await read_body(receive))))
        await answer(send, b"ok")

    for cap_bytes in (20 * MIB, 256 * KIB):
        async with open_front(measure, cap_bytes=cap_bytes) as stand:
            reader, writer = await stand.connect()
            writer.write(post(8 * MIB) + bytes(8 * MIB))
            await read_answers(reader, 1)
            writer.close()
            await stand.until_left()

    assert sizes[0] > SLICE_BYTES
    assert sizes[1] <= SLICE_BYTES


async def test_json_comes_in_slices_and_each_has_its_turn() -> None:
    sizes: list[int] = []
    turns: list[str] = []

    async def measure(scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        sizes.extend(map(len, await read_body(receive)))
        await answer(send, b"ok")

    async def take_turn(client: str, last: float) -> None:
        del last
        turns.append(client)

    async with open_front(measure) as stand:
        stand.front.pace.take_turn = take_turn  # type: ignore[method-assign]
        reader, writer = await stand.connect()
        head = post(MIB).replace(b"\r\n\r\n", b"\r\nContent-Type: Application/JSON; charset=utf-8\r\n\r\n")
        writer.write(head + bytes(MIB))
        await read_answers(reader, 1)

    assert sum(sizes) == MIB
    assert max(sizes) <= SLICE_BYTES
    assert len(turns) == len(sizes)


async def test_what_nobody_asked_for_stays_in_the_kernel() -> None:
    may_answer, began = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        began.set()
        await may_answer.wait()
        await answer(send, b"ok")

    async with open_front(slow) as stand:
        reader, writer = await stand.connect()
        writer.write(GET * 2_000)
        await began.wait()
        await asyncio.sleep(0.1)
        (connection,) = stand.state.connections

        assert len(connection.inlet.unread) <= 2 * SLICE_BYTES  # type: ignore[union-attr]
        may_answer.set()
        assert await read_answers(reader, 2_000) == [(200, b"ok")] * 2_000


async def test_a_client_that_goes_ends_the_request_that_waits_for_something_else() -> None:
    app = Waiting()
    async with open_front(app) as stand:
        _, writer = await stand.connect()
        writer.write(GET)
        await app.began.wait()

        writer.close()
        await asyncio.wait_for(app.ended.wait(), 5)

        assert app.was_cancelled
        await stand.until_left()


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_a_client_that_goes_is_noticed_though_its_body_is_not_read(how: str) -> None:
    app = Waiting()
    async with open_front(app) as stand:
        _, writer = await stand.connect()
        writer.write(post(MIB) + bytes(64 * KIB))
        await app.began.wait()
        await asyncio.sleep(0.05)

        getattr(writer.transport, how)()
        await stand.until(app.ended.is_set)

        assert app.was_cancelled
        await stand.until_left()


async def test_who_reads_a_body_is_told_that_the_client_has_gone_and_may_keep_what_came() -> None:
    kept: list[bytes] = []

    async def keep(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, send
        while (message := await receive())["type"] == "http.request":
            kept.append(message["body"])
        await asyncio.sleep(0.05)
        kept.append(b"kept")

    async with open_front(keep) as stand:
        _, writer = await stand.connect()
        writer.write(post(100) + b"abc")
        await stand.until(lambda: kept == [b"abc"])
        writer.close()
        await stand.until(lambda: kept == [b"abc", b"kept"])


async def test_who_asks_for_a_100_continue_gets_it_when_the_body_is_asked_for() -> None:
    async with open_front(echo) as stand:
        reader, writer = await stand.connect()
        writer.write(b"POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        first = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"ab")

        assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert await read_answers(reader, 1) == [(200, b"/p 2 127.0.0.1")]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431),
        (b"GET /" + b"a" * 2 * MAX_HEAD_BYTES, 431),
    ],
)
async def test_what_is_no_head_gets_a_problem_and_the_connection_is_closed(sent: bytes, status: int) -> None:
    async with open_front(echo) as stand:
        reader, writer = await stand.connect()
        writer.write(sent)

        ((answered, body),) = await read_answers(reader, 1)

        assert answered == status
        assert b"urn:ballast:problem:bad_request" in body
        assert await reader.read() == b""


async def test_a_large_head_is_refused_where_it_cannot_be_charged() -> None:
    async with open_front(echo, cap_bytes=64 * KIB) as stand:
        reader, writer = await stand.connect()
        writer.write(b"GET / HTTP/1.1\r\nA: " + b"a" * (MAX_HEAD_BYTES - 100))

        ((status, _),) = await read_answers(reader, 1)

        assert status == 503


async def test_chunks_that_are_none_end_the_connection() -> None:
    async with open_front(echo) as stand:
        reader, writer = await stand.connect()
        writer.write(CHUNKED + b"zzz\r\n")

        assert await reader.read() == b""


@pytest.mark.parametrize(("head_only", "status"), [(True, 200), (False, 204), (False, 304)])
async def test_an_answer_without_a_body_has_none(head_only: bool, status: int) -> None:
    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"nobody" if head_only else b""})

    async with open_front(plain) as stand:
        reader, writer = await stand.connect()
        writer.write(GET.replace(b"GET", b"HEAD") if head_only else GET)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(GET.replace(b"GET", b"HEAD"))
        next_head = await reader.readuntil(b"\r\n\r\n")

        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert next_head.startswith(b"HTTP/1.1 ")


@pytest.mark.parametrize(("fields", "writes"), [([(b"content-length", b"5")], 1), ([], 2)])
async def test_head_and_body_go_out_at_once_where_the_length_is_known(
    fields: list[tuple[bytes, bytes]], writes: int
) -> None:
    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b"whole"})

    async with open_front(plain) as stand:
        _, writer = await stand.connect()
        await stand.until(lambda: bool(stand.state.connections))
        connection: Any = next(iter(stand.state.connections))
        own, connection.transport = connection.transport, NotingTransport()
        writer.write(GET)
        await stand.until(lambda: b"whole" in connection.transport.written)
        noted, connection.transport = connection.transport, own

        assert len(noted.sent) == writes


async def test_an_answer_of_unknown_length_is_chunked_and_one_to_http_1_0_ends_with_the_connection() -> None:
    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async with open_front(stream) as stand:
        reader, writer = await stand.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        new = await reader.read()
        old_reader, old_writer = await stand.connect()
        old_writer.write(b"GET / HTTP/1.0\r\n\r\n")
        old = await old_reader.read()

        assert new.endswith(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        assert old.endswith(b"\r\n\r\nabc")
        assert b"chunked" not in old


async def test_an_application_that_fails_is_answered_for(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        if scope["path"] == "/late":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("a fault")

    async with open_front(fail) as stand:
        reader, writer = await stand.connect()
        writer.write(GET)
        ((status, body),) = await read_answers(reader, 1)
        late_reader, late_writer = await stand.connect()
        late_writer.write(GET.replace(b"/a", b"/late"))
        late = await late_reader.read()

        assert (status, b"internal_error" in body) == (500, True)
        assert late.endswith(b"\r\n\r\nhalf")
        assert "a fault" in caplog.text


async def large(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive
    await answer(send, bytes(50 * MIB))


async def test_an_answer_is_charged_until_it_is_taken() -> None:
    async with open_front(large, budget_bytes=200 * MIB) as stand:
        reader, writer = await stand.connect()
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        await stand.until(lambda: stand.accounts.used_bytes > 50 * MIB)

        await reader.readexactly(50 * MIB)
        await stand.until(lambda: stand.accounts.used_bytes < MIB)


async def test_a_client_that_takes_its_answer_too_slowly_is_cut() -> None:
    async with open_front(large) as stand:
        stand.front.bounds = replace(stand.front.bounds, pace_seconds=0.1, min_rate=MIB)
        _, writer = await stand.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET)

        await stand.until_left()
        writer.transport.abort()


async def test_the_head_of_the_next_request_has_its_time_too() -> None:
    async with open_front(echo, header_seconds=0.2) as stand:
        reader, writer = await stand.connect()
        writer.write(GET)
        await read_answers(reader, 1)
        writer.write(b"GET /")

        assert await asyncio.wait_for(reader.read(), 4) == b""


@pytest.mark.parametrize(("trusted", "client"), [((), b"127.0.0.1"), (("127.0.0.0/8",), b"10.1.2.3")])
async def test_a_trusted_proxy_says_for_whom_it_asks(trusted: tuple[str, ...], client: bytes) -> None:
    async with open_front(echo, trusted=trusted) as stand:
        reader, writer = await stand.connect()
        writer.write(GET.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 9.9.9.9, 10.1.2.3\r\n\r\n"))

        assert await read_answers(reader, 1) == [(200, b"/a 0 " + client)]


async def test_where_there_is_no_memory_a_probe_is_answered_and_others_are_told() -> None:
    async with open_front(echo) as stand:
        taken = take_all(stand.budget)
        answers = []
        for path in (b"/health/live", b"/a"):
            reader, writer = await stand.connect()
            writer.write(GET.replace(b"/a", path))
            answers += await read_answers(reader, 1)
            writer.close()

        assert [status for status, _ in answers] == [200, 503]
        await stand.until_left()
        taken.release()  # type: ignore[attr-defined]


async def test_a_connection_in_use_ends_with_its_answer_when_the_service_ends() -> None:
    app_may_go = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await app_may_go.wait()
        await answer(send, b"done")

    async with open_front(slow) as stand:
        reader, writer = await stand.connect()
        idle_reader, _ = await stand.connect()
        writer.write(GET)
        await asyncio.sleep(0.05)
        for connection in tuple(stand.state.connections):
            connection.shutdown()
        app_may_go.set()

        assert await read_answers(reader, 1) == [(200, b"done")]
        assert await reader.read() == await idle_reader.read() == b""
