"""What is done again and again is done in spite of everything."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NoReturn

import pytest

from app.rounds import Work, go_round
from tests.memory.virtual_time import settle, virtual

logger = logging.getLogger("ballast.test")


async def rounds(works: dict[str, Work], seconds: float) -> asyncio.Task[NoReturn]:
    """Let rounds go on for so long, with one each second; return the task."""
    task = asyncio.create_task(go_round(works, lambda: 1.0, logger))
    await asyncio.sleep(seconds)
    return task


async def end(task: asyncio.Task[NoReturn]) -> None:
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()


def fail() -> None:
    raise ZeroDivisionError


async def fail_later() -> None:
    await asyncio.sleep(0)
    raise ZeroDivisionError


async def ask_what_was_cancelled() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("broken", [fail, fail_later, ask_what_was_cancelled])
def test_one_that_fails_stops_neither_the_others_nor_the_next_round(
    broken: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    @virtual
    async def run() -> list[str]:
        done: list[str] = []

        async def after() -> None:
            done.append("after")

        works: dict[str, Work] = {"before": lambda: done.append("before"), "the broken one": broken, "after": after}
        await end(await rounds(works, 2.5))
        return done

    assert run() == ["before", "after"] * 3
    assert caplog.text.count("the broken one failed") == 3


@virtual
async def test_it_ends_when_it_is_cancelled_in_the_middle_of_its_work() -> None:
    task = await rounds({"a wait": lambda: asyncio.sleep(100)}, 0.5)

    await end(task)


@virtual
async def test_it_ends_when_the_work_turns_the_cancellation_into_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async def turn() -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            raise ZeroDivisionError from None

    task = await rounds({"a sweep": turn}, 0.5)
    await settle()

    await end(task)
    assert "a sweep failed" in caplog.text
