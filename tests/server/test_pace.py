"""Turns: a late loop has busy connections wait, and nobody else."""

from __future__ import annotations

import asyncio
import time

import pytest
from starlette.types import Receive, Scope, Send

from app.server.inlet import SLICE_BYTES
from app.server.pace import TURN_SECONDS, Pace
from tests.server.fronts import answer, open_front, read_answers

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_nobody_waits_while_the_loop_is_on_time() -> None:
    loop = asyncio.get_running_loop()
    pace = Pace(loop, lambda: True)

    assert pace.wait_seconds(loop.time()) == 0


async def test_who_had_a_turn_waits_for_the_next_while_the_loop_is_late_and_who_had_none_does_not() -> None:
    loop = asyncio.get_running_loop()
    needed = True
    pace = Pace(loop, lambda: needed)
    pace.watch()
    for _ in range(5):
        await asyncio.sleep(0.01)
        time.sleep(0.1)  # noqa: ASYNC251 - the loop is held up

    late, fresh = pace.wait_seconds(loop.time()), pace.wait_seconds(loop.time() - 2 * TURN_SECONDS)
    needed = False
    await asyncio.sleep(0.1)

    assert 0 < late <= TURN_SECONDS
    assert fresh == 0
    assert not pace.is_late


@pytest.mark.parametrize("is_late", [False, True])
async def test_requests_in_one_go_are_answered_in_order_and_bounded_though_they_wait_for_turns(is_late: bool) -> None:
    paths: list[str] = []

    async def keep(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        paths.append(scope["path"])
        await answer(send, b"ok")

    async with open_front(keep) as stand:
        if is_late:
            stand.front.pace.wait_seconds = lambda last: 0.001 + 0 * last  # type: ignore[method-assign]
        reader, writer = await stand.connect()
        count = 3000
        writer.write(b"".join(GET.replace(b"/a", b"/%d" % number) for number in range(count)))
        await read_answers(reader, 1)
        (connection,) = stand.state.connections
        most = 0
        for _ in range(count - 1):
            await read_answers(reader, 1)
            most = max(most, len(connection.inlet.unread))  # type: ignore[union-attr]

    assert paths == [f"/{number}" for number in range(count)]
    assert most <= 2 * SLICE_BYTES
