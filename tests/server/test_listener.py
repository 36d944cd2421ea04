"""A port that is closed in order."""

from __future__ import annotations

import asyncio
import socket

import pytest

from app.server.listener import Listener
from tests.server.fronts import echo, open_front, read_answers

ASK = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def test_who_waits_to_be_accepted_when_the_port_is_closed_is_answered() -> None:
    async with open_front(echo) as stand:
        listener = Listener("toy", stand.front, "127.0.0.1", 0)
        await listener.bind()
        await listener.open()
        port = listener.port
        waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]  # the loop has no turn meanwhile
        for client in waiting:
            client.sendall(ASK)

        await listener.close()

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        for client in waiting:
            reader, writer = await asyncio.open_connection(sock=client)
            assert await read_answers(reader, 1) == [(200, b"/a 0 127.0.0.1")]
            writer.close()
        await stand.until(lambda: stand.front.is_empty)


async def test_a_port_that_is_taken_is_refused_and_nothing_is_kept() -> None:
    async with open_front(echo) as stand:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            listener = Listener("toy", stand.front, "127.0.0.1", taken.getsockname()[1])

            with pytest.raises(OSError, match="in use"):
                await listener.bind()


async def test_a_name_with_several_addresses_has_one_port_on_all_of_them() -> None:
    async with open_front(echo) as stand:
        listener = Listener("toy", stand.front, "localhost", 0)
        await listener.bind()
        await listener.open()

        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(ASK)
        assert (await read_answers(reader, 1))[0][0] == 200
        writer.close()
        await listener.close()
        await stand.until(lambda: stand.front.is_empty)
