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


async def test_what_is_kept_from_one_call_for_the_next_counts_as_part_of_that() -> None:
    async with open_pool(rest_seconds=10 * PATIENCE_SECONDS) as pool:
        await answered(ask(pool, "keep", nbytes=KEPT_BYTES))

        assert await peak_of_a_small_call(pool) >= KEPT_BYTES - MIB


async def test_what_is_still_there_when_a_child_has_rested_is_its_own() -> None:
    async with open_pool(rest_seconds=0.01) as pool:
        await answered(ask(pool, "keep", nbytes=KEPT_BYTES))

        async with asyncio.timeout(PATIENCE_SECONDS):
            while await peak_of_a_small_call(pool) > KEPT_BYTES // 2:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.1)


async def test_what_came_with_a_call_is_no_growth_of_it() -> None:
    async with open_pool(rest_seconds=10 * PATIENCE_SECONDS) as pool:
        await answered(ask(pool, "echo"))

        reply = await answered(ask(pool, "allocate", bytes(KEPT_BYTES), nbytes=MIB))

    assert reply.peak_bytes is not None
    assert reply.peak_bytes < KEPT_BYTES // 2


async def test_a_child_that_never_rests_counts_each_call_from_its_own_start() -> None:
    async with open_pool() as pool:
        await answered(ask(pool, "keep", nbytes=KEPT_BYTES))

        assert await peak_of_a_small_call(pool) < KEPT_BYTES // 2
