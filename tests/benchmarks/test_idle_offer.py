from __future__ import annotations

import asyncio
from collections import Counter

from benchmarks.idle_offer import KINDS, Offer
from tests.benchmarks.answering import answering


async def offered(*statuses: int) -> Offer:
    """Return what became of as many connections as there are answers; 0 closes instead of answering."""
    left = list(statuses)

    def answer(_path: str, _body: bytes) -> tuple[int, bytes] | None:
        status = left.pop(0)
        return (status, b"") if status else None

    offer = Offer()
    async with answering(answer) as port:
        try:
            await asyncio.to_thread(offer.make, port, KINDS[0], len(statuses))
            await asyncio.to_thread(offer.close)
        finally:
            offer.close()
    return offer


async def test_connections_that_are_answered_are_taken() -> None:
    offer = await offered(200, 200, 200)

    assert len(offer.taken) == 3
    assert not offer.refused


async def test_others_are_counted_by_the_way_they_were_refused() -> None:
    offer = await offered(200, 503, 0, 503)

    assert len(offer.taken) == 1
    assert offer.refused == Counter({"503": 2, "closed": 1})


async def test_one_that_the_server_closed_later_is_not_open_any_more() -> None:
    closing = asyncio.Event()

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await closing.wait()
        writer.close()
        await writer.wait_closed()

    offer, server = Offer(), await asyncio.start_server(answer_once, "127.0.0.1", 0)
    async with server:
        await asyncio.to_thread(offer.make, server.sockets[0].getsockname()[1], KINDS[0], 2)
        open_before = offer.still_open()
        closing.set()
        while offer.still_open():  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.01)
        offer.close()

    assert open_before == 2
