"""What a child keeps between its calls, and gives back when none comes."""

from __future__ import annotations

import asyncio

from app.domain.units import MIB
from app.workers.pool import WorkerPool
from tests.workers.pools import PATIENCE_SECONDS, answered, ask, open_pool

KEPT_BYTES = 16 * MIB


async def peak_of_a_small_call(pool: WorkerPool) -> int:
    reply = await answered(ask(pool, "echo"))
    assert reply.peak_bytes is not None
    return reply.peak_bytes


async def test_what_an_earlier_call_left_and_what_came_with_a_call_is_no_growth_of_it() -> None:
    async with open_pool(rest_seconds=10 * PATIENCE_SECONDS) as pool:
        await answered(ask(pool, "keep", nbytes=KEPT_BYTES))

        assert await peak_of_a_small_call(pool) < KEPT_BYTES // 2
        reply = await answered(ask(pool, "allocate", bytes(KEPT_BYTES), nbytes=MIB))

    assert reply.peak_bytes is not None
    assert reply.peak_bytes < KEPT_BYTES // 2


async def bytes_of_a_child_that_left_some_in_its_heap(pool: WorkerPool) -> int:
    await answered(ask(pool, "leave_in_heap", nbytes=KEPT_BYTES))
    return pool.children[0].resident_bytes


async def bytes_after_another_call(pool: WorkerPool) -> int:
    await answered(ask(pool, "echo"))
    return pool.children[0].resident_bytes


async def test_a_child_that_rests_gives_back_what_its_heap_has_kept() -> None:
    async with open_pool(rest_seconds=0.01) as pool:
        before = await bytes_of_a_child_that_left_some_in_its_heap(pool)

        async with asyncio.timeout(PATIENCE_SECONDS):
            while await bytes_after_another_call(pool) > before - KEPT_BYTES // 2:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.1)


async def test_a_child_that_never_rests_keeps_it() -> None:
    async with open_pool() as pool:
        before = await bytes_of_a_child_that_left_some_in_its_heap(pool)
        await asyncio.sleep(0.1)

        assert await bytes_after_another_call(pool) > before - KEPT_BYTES // 2
