"""Equal work at one time is done once, and who goes away takes nobody along."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from app.derived.flights import Flights
from app.errors import InvalidMedia


class Task:
    """Work that goes on until it is let, and notes what became of it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun = 0
        self.cancelled = 0
        self.let_go = 0
        self.may_end = asyncio.Event()
        self._error = error

    def __call__(self) -> AbstractAsyncContextManager[str]:
        return self._work()

    @asynccontextmanager
    async def _work(self) -> AsyncIterator[str]:
        self.begun += 1
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self._error is not None:
            raise self._error
        try:
            yield "result"
        finally:
            self.let_go += 1


@pytest.fixture
def flights() -> Flights[str]:
    return Flights[str]()


async def ask(flights: Flights[str], work: Task, key: str = "key") -> str:
    async with flights.join(key, work) as result:
        return result


async def all_wait() -> None:
    """Let all tasks run until they wait."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_equal_requests_are_answered_by_one_piece_of_work(flights: Flights[str]) -> None:
    work = Task()
    asked = [asyncio.create_task(ask(flights, work)) for _ in range(5)]
    await all_wait()

    work.may_end.set()

    assert await asyncio.gather(*asked) == ["result"] * 5
    assert (work.begun, work.let_go, len(flights)) == (1, 1, 0)


async def test_other_requests_are_other_work(flights: Flights[str]) -> None:
    work = Task()
    work.may_end.set()

    await asyncio.gather(ask(flights, work, "one"), ask(flights, work, "two"))

    assert work.begun == 2


@pytest.mark.parametrize("who", [0, 2], ids=["who brought the work", "who came aboard"])
async def test_who_is_cancelled_leaves_alone(flights: Flights[str], who: int) -> None:
    work = Task()
    asked = [asyncio.create_task(ask(flights, work)) for _ in range(3)]
    await all_wait()

    asked[who].cancel()
    await all_wait()
    work.may_end.set()

    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(outcomes.pop(who), asyncio.CancelledError)
    assert outcomes == ["result", "result"]
    assert (work.begun, work.cancelled, work.let_go) == (1, 0, 1)


async def test_work_that_nobody_wants_any_more_is_cancelled(flights: Flights[str]) -> None:
    work = Task()
    asked = [asyncio.create_task(ask(flights, work)) for _ in range(2)]
    await all_wait()

    for one in asked:
        one.cancel()
    await asyncio.gather(*asked, return_exceptions=True)

    assert (work.cancelled, len(flights)) == (1, 0)


async def test_who_brought_the_work_stays_until_it_is_done_with_what_is_his(flights: Flights[str]) -> None:
    work = Task()
    bringer, other = (asyncio.create_task(ask(flights, work)) for _ in range(2))
    await all_wait()

    bringer.cancel()
    await all_wait()
    stayed = not bringer.done()
    work.may_end.set()
    await asyncio.gather(bringer, other, return_exceptions=True)

    assert stayed
    assert bringer.cancelled()


async def test_an_error_is_everybodys_and_the_next_one_tries_again(flights: Flights[str]) -> None:
    failing, working = Task(InvalidMedia("It is broken.")), Task()
    asked = [asyncio.create_task(ask(flights, failing)) for _ in range(3)]
    await all_wait()

    failing.may_end.set()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    working.may_end.set()

    assert [type(one) for one in outcomes] == [InvalidMedia] * 3
    assert await ask(flights, working) == "result"


async def test_what_the_work_holds_stays_until_the_last_is_done_with_its_result(flights: Flights[str]) -> None:
    work = Task()
    work.may_end.set()
    async with flights.join("key", work):
        async with flights.join("key", work):
            pass
        held = work.let_go == 0

    assert held
    assert (work.begun, work.let_go) == (1, 1)


async def test_who_waits_for_others_lets_go_of_what_it_holds_and_who_brings_the_work_does_not(
    flights: Flights[str],
) -> None:
    work, stepped_aside = Task(), list[str]()

    async def come(name: str) -> None:
        async def step_aside() -> None:
            stepped_aside.append(name)

        async with flights.join("key", work, step_aside):
            pass

    coming = [asyncio.create_task(come(name)) for name in ("first", "second")]
    await all_wait()
    work.may_end.set()
    await asyncio.gather(*coming)

    assert stepped_aside == ["second"]
