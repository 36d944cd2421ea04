"""Turns: a late loop has busy clients wait, and nobody else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.types import Receive, Scope, Send

from app.server.inlet import SLICE_BYTES
from app.server.pace import FREE_TURNS, TURN_SECONDS, Pace
from tests.server.fronts import answer, open_front, read_answers

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
LONG_AGO = -1000.0


@asynccontextmanager
async def late_pace() -> AsyncIterator[Pace]:
    """Lend the pace of a loop that was held up."""
    needed = True
    pace = Pace(asyncio.get_running_loop(), lambda: needed)
    pace.watch()
    while not pace.is_late:
        await asyncio.sleep(0.01)
        time.sleep(0.1)  # noqa: ASYNC251 - the loop is held up
    try:
        yield pace
    finally:
        needed = False
        await asyncio.sleep(0.1)
        assert not pace.is_late


def busy(seconds: float, done: list[str], client: str) -> Callable[[], None]:
    """Return a turn that takes so long and says that it was had."""

    def go() -> None:
        time.sleep(seconds)
        done.append(client)

    return go


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_nobody_waits_while_the_loop_is_on_time() -> None:
    pace, done = Pace(asyncio.get_running_loop(), lambda: True), list[str]()

    for _ in range(10 * int(FREE_TURNS)):
        pace.turn("a", asyncio.get_running_loop().time(), lambda: done.append("a"))

    assert len(done) == 10 * FREE_TURNS


async def test_a_connection_of_one_client_alone_waits_for_its_next_turn_and_a_fresh_one_does_not() -> None:
    loop, done = asyncio.get_running_loop(), list[str]()
    async with late_pace() as pace:
        pace.turn("a", loop.time(), lambda: done.append("again"))
        pace.turn("a", loop.time() - 2 * TURN_SECONDS, lambda: done.append("fresh"))
        at_once = list(done)
        await until(lambda: len(done) == 2)

    assert at_once == ["fresh"]


async def test_a_client_with_few_turns_is_not_held_up_by_one_with_many() -> None:
    done: list[str] = []
    async with late_pace() as pace:
        for _ in range(2 * int(FREE_TURNS)):
            pace.turn("busy", LONG_AGO, busy(0.001, done, "busy"))
            pace.turn("quiet", LONG_AGO, busy(0, done, "quiet")) if len(done) % 50 == 0 else None
        had = done.count("busy")
        pace.turn("quiet", LONG_AGO, busy(0, done, "quiet"))
        is_at_once = done[-1] == "quiet"
        await until(lambda: done.count("busy") == 2 * FREE_TURNS)

    assert had < 2 * FREE_TURNS
    assert is_at_once


async def test_of_those_who_line_up_the_one_with_the_fewest_turns_is_next() -> None:
    done: list[str] = []
    async with late_pace() as pace:
        for _ in range(int(FREE_TURNS)):
            for client in ("busy", "other"):
                pace.turn(client, LONG_AGO, busy(0.0001, done, client))
        before = len(done)
        for _ in range(3):
            pace.turn("third", LONG_AGO, busy(0, done, "third"))
        is_at_once = done[before:] == ["third"] * 3
        await until(lambda: done.count("busy") + done.count("other") == 2 * FREE_TURNS)

    assert is_at_once
    waited = done[before + 3 :]
    assert abs(waited[:20].count("busy") - waited[:20].count("other")) <= 4


@pytest.mark.parametrize("is_late", [False, True])
async def test_requests_in_one_go_are_answered_in_order_and_bounded_though_they_wait_for_turns(is_late: bool) -> None:
    paths: list[str] = []

    async def keep(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        paths.append(scope["path"])
        await answer(send, b"ok")

    def later(client: str, last: float, go: Callable[[], None]) -> None:
        del client, last
        asyncio.get_running_loop().call_later(0.001, go)

    async with open_front(keep) as stand:
        if is_late:
            stand.front.pace.turn = later  # type: ignore[method-assign]
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


async def test_a_turn_that_fails_does_not_stop_the_line() -> None:
    done: list[str] = []

    def fail() -> None:
        raise OSError("the turn failed")

    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: done.append(str(context["exception"])))
    async with late_pace() as pace:
        pace.turn("other", LONG_AGO, busy(0, done, "other"))
        for _ in range(int(FREE_TURNS)):
            pace.turn("busy", LONG_AGO, busy(0, list[str](), "busy"))
        pace.turn("busy", LONG_AGO, fail)
        pace.turn("busy", LONG_AGO, busy(0, done, "busy"))
        await until(lambda: "busy" in done)

    assert done == ["other", "the turn failed", "busy"]
