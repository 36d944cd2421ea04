"""Places for steps."""

from __future__ import annotations

import asyncio

from app.jobs.slots import Rank, Slots


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_places_are_given_by_priority_then_age() -> None:
    async def work() -> list[Rank]:
        order: list[Rank] = []
        slots = Slots(1, lambda: True)

        async def step(rank: Rank) -> None:
            async with slots.take(rank):
                order.append(rank)
                await asyncio.sleep(0)

        async with slots.take((0, 0)):
            tasks = [asyncio.create_task(step(rank)) for rank in [(0, 3), (0, 2), (-5, 4), (1, 1)]]
            await _settle()
        await asyncio.gather(*tasks)
        return order

    assert asyncio.run(work()) == [(-5, 4), (0, 2), (0, 3), (1, 1)]


def test_no_more_are_at_work_than_there_are_places() -> None:
    async def work() -> int:
        slots, most = Slots(3, lambda: True), 0

        async def step(number: int) -> None:
            nonlocal most
            async with slots.take((0, number)):
                most = max(most, slots.taken)
                await asyncio.sleep(0)

        await asyncio.gather(*(step(number) for number in range(20)))
        assert slots.taken == 0
        return most

    assert asyncio.run(work()) == 3


def test_while_it_is_closed_nobody_begins_and_then_they_do() -> None:
    async def work() -> list[str]:
        events: list[str] = []
        is_open = False
        slots = Slots(1, lambda: is_open)

        async def step() -> None:
            async with slots.take((0, 1)):
                events.append("begun")

        task = asyncio.create_task(step())
        await _settle()
        events.append("opened")
        is_open = True
        slots.refresh()
        await task
        return events

    assert asyncio.run(work()) == ["opened", "begun"]


def test_who_is_cancelled_while_waiting_or_just_granted_takes_no_place() -> None:
    async def work() -> int:
        slots = Slots(1, lambda: True)

        async def step() -> None:
            async with slots.take((0, 1)):
                await asyncio.sleep(0)

        async with slots.take((0, 0)):
            waiting, granted = asyncio.create_task(step()), asyncio.create_task(step())
            await _settle()
            waiting.cancel()
        granted.cancel()  # its place was given to it, and it does not know yet
        await asyncio.gather(waiting, granted, return_exceptions=True)
        await step()
        return slots.taken

    assert asyncio.run(work()) == 0


def test_a_place_is_kept_for_the_next_step_of_a_job_unless_somebody_is_before_it() -> None:
    async def work() -> list[str]:
        order: list[str] = []
        slots = Slots(1, lambda: True)

        async def job(name: str, rank: Rank, steps: int) -> None:
            for _ in range(steps):
                async with slots.take(rank) as place:
                    order.append(name)
                    await asyncio.sleep(0)
                    place.lingers = True
                await asyncio.sleep(0)  # as long as the jobs child takes to ask again

        low = asyncio.create_task(job("low", (0, 1), 3))
        await _settle_a_little()
        high = asyncio.create_task(job("high", (-1, 2), 2))
        await asyncio.gather(low, high)
        return order

    assert asyncio.run(work()) == ["low", "high", "high", "low", "low"]


async def _settle_a_little() -> None:
    await asyncio.sleep(0)
