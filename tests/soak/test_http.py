from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from soak.http import LOST, HttpClient


class Script:
    """Answers each request on a connection with the next of the given bytes, and keeps what came."""

    def __init__(self, *answers: bytes) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._answers = list(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self._answers:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(self._answers.pop(0))
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[HttpClient]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        client = HttpClient(server.sockets[0].getsockname()[1], timeout_seconds=5)
        try:
            yield client
        finally:
            client.close()
            server.close()
            await server.wait_closed()


async def test_an_answer_with_a_length_is_read_and_the_connection_kept() -> None:
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Name: value\r\n\r\n{}"
    script = Script(one, b"HTTP/1.1 503 No\r\nRetry-After: 3\r\ncontent-length: 0\r\n\r\n")

    async with script.listen() as client:
        first, second = await client.get("/a"), await client.post("/b", b"")

    assert (first.status, first.headers["x-name"], first.json()) == (200, "value", {})
    assert (second.status, second.headers["retry-after"], second.body) == (503, "3", b"")
    assert script.connections == 1
    assert script.requests[1].startswith(b"POST /b HTTP/1.1\r\nHost: 127.0.0.1:")


async def test_an_answer_in_chunks_is_put_together() -> None:
    script = Script(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")

    async with script.listen() as client:
        answer = await client.get("/")

    assert answer.body == b"abcde"


async def test_events_are_yielded_one_by_one() -> None:
    text = b'event: level\ndata: {"level": "LOW"}\n\n: keep-alive\n\n'
    more = b'data: {"level": "HIGH"}\n\n'
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    script = Script(head + b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in (text, more)) + b"0\r\n\r\n")

    async with script.listen() as client:
        events = [event async for event in client.events("/v1/memory/events")]

    assert events == [{"level": "LOW"}, {"level": "HIGH"}]


@pytest.mark.parametrize("cut", [b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"])
async def test_an_answer_that_is_cut_is_a_lost_connection_and_the_next_request_opens_a_new_one(cut: bytes) -> None:
    script = Script(cut)

    async with script.listen() as client:
        with pytest.raises(LOST):
            await client.get("/")
        with pytest.raises(LOST):
            await client.get("/")

    assert script.connections == 2


async def test_a_body_is_read_piece_by_piece_and_one_that_is_cut_is_lost() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    script = Script(head + b"abcde", head + b"ab")

    async with script.listen() as client:
        sizes: list[int | str] = []
        for _ in range(2):
            writer = await client.open()
            writer.write(client.head("GET", "/"))
            try:
                sizes.append(sum([len(piece) async for piece in client.body()]))
            except LOST as error:
                sizes.append(str(error))

    assert sizes == [5, "the service closed the connection"]
