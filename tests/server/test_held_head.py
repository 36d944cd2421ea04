"""The head of an answer and the beginning of its body, over a transport that notes what is sent at a time."""

from __future__ import annotations

import asyncio

import pytest

from app.server.held_head import HeldHead
from tests.server.transports import NotingTransport

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.fixture
def transport() -> NotingTransport:
    return NotingTransport()


@pytest.fixture
async def held(transport: NotingTransport) -> HeldHead:
    return HeldHead(transport, asyncio.get_running_loop())


async def test_head_and_body_are_sent_in_one_piece(held: HeldHead, transport: NotingTransport) -> None:
    held.write(HEAD)
    held.write(b"body")
    await asyncio.sleep(0)

    assert transport.sent == [HEAD + b"body"]


async def test_what_follows_is_sent_as_it_comes(held: HeldHead, transport: NotingTransport) -> None:
    for piece in (HEAD, b"one", b"two", b"three"):
        held.write(piece)

    assert transport.sent == [HEAD + b"one", b"two", b"three"]


async def test_an_answer_without_a_body_is_sent(held: HeldHead, transport: NotingTransport) -> None:
    held.write(HEAD)
    held.write(b"")

    assert transport.sent == [HEAD]


async def test_a_head_does_not_wait_for_a_body_that_comes_later(held: HeldHead, transport: NotingTransport) -> None:
    held.write(HEAD)
    await asyncio.sleep(0)
    at_once = list(transport.sent)
    held.write(b"event")

    assert at_once == [HEAD]
    assert transport.sent == [HEAD, b"event"]


async def test_a_head_whose_body_never_comes_is_sent_before_the_end(held: HeldHead, transport: NotingTransport) -> None:
    held.write(HEAD)
    held.close()
    await asyncio.sleep(0)

    assert transport.sent == [HEAD]
    assert held.is_closing()


async def test_nothing_is_sent_where_the_client_is_gone(held: HeldHead, transport: NotingTransport) -> None:
    held.write(HEAD)
    transport.close()
    await asyncio.sleep(0)

    assert transport.sent == []
