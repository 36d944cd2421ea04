"""The life of the service, from running to its end."""

from __future__ import annotations

import asyncio

from app.server.lifecycle import RECYCLE_EXIT_CODE, Lifecycle


def test_a_service_that_runs_does_not_drain_and_would_end_well() -> None:
    lifecycle = Lifecycle()

    assert not lifecycle.draining
    assert lifecycle.recycle_reason is None
    assert lifecycle.exit_code == 0


async def test_whoever_waits_for_the_end_is_told_when_it_begins() -> None:
    lifecycle = Lifecycle()
    waiting = [asyncio.create_task(lifecycle.drained()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)

    lifecycle.drain()

    async with asyncio.timeout(5):
        await asyncio.gather(*waiting)
    assert lifecycle.draining
    assert lifecycle.exit_code == 0


async def test_whoever_comes_after_the_end_began_does_not_wait() -> None:
    lifecycle = Lifecycle()
    lifecycle.drain()
    lifecycle.drain()

    async with asyncio.timeout(5):
        await lifecycle.drained()


def test_a_service_that_asks_to_be_started_again_says_so_in_its_exit_code() -> None:
    lifecycle = Lifecycle()

    lifecycle.recycle("too large")

    assert lifecycle.exit_code == RECYCLE_EXIT_CODE == 75
    assert not lifecycle.draining  # that is the server's to begin


def test_the_first_reason_stays() -> None:
    lifecycle = Lifecycle()

    lifecycle.recycle("too large")
    lifecycle.recycle("still too large")

    assert lifecycle.recycle_reason == "too large"
