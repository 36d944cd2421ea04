"""What one reservation costs: `python -m benchmarks.ledger`.

One sample is the mean of 20 `async with budget.reserve(...)` in a row, with 0 or 100 other holders and 0 or 100 waiters
(each of its own client, too large for what is free, so that every release looks at all of them).
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time

from app.domain.priority import Priority
from app.memory.budget import MemoryBudget
from app.memory.reservation import Reservation
from app.memory.wait_policy import WaitPolicy

_MIB = 1024 * 1024
_SAMPLES = 2000
_CALLS = 20
_PARTS = {"decode": 3 * _MIB, "send": 64 * 1024}


async def measure(holders: int, waiters: int) -> list[float]:
    """Return the seconds of one reserve and release, one figure a sample, lowest first."""
    policy = WaitPolicy(overtake_seconds=3600, wait_seconds=3600)
    budget = MemoryBudget(1024 * _MIB, working_set=lambda: 300 * _MIB, waiting=policy)
    held = [hold(budget, number) for number in range(holders)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(wait_in_vain(budget, number)) for number in range(waiters)]
        await asyncio.sleep(0.01)
        seconds = sorted([await sample(budget) for _ in range(_SAMPLES)])
        for task in tasks:
            task.cancel()
    for reservation in held:
        reservation.release()
    budget.check_empty()
    return seconds


def hold(budget: MemoryBudget, number: int) -> Reservation:
    reservation = budget.try_reserve({"model": _MIB}, owner=f"holder {number}", priority=Priority.REQUEST)
    assert reservation is not None
    return reservation


async def wait_in_vain(budget: MemoryBudget, number: int) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        async with budget.reserve(
            {"decode": 1000 * _MIB}, owner="waiter", priority=Priority.REQUEST, client=f"client {number}"
        ):
            raise AssertionError("a waiter of the benchmark was granted")


async def sample(budget: MemoryBudget) -> float:
    started_at = time.perf_counter()
    for _ in range(_CALLS):
        async with budget.reserve(_PARTS, owner="POST /v1/images", priority=Priority.REQUEST, client="127.0.0.1"):
            pass
    return (time.perf_counter() - started_at) / _CALLS


async def main() -> None:
    print("holders  waiters  median us  p99 us")
    for holders, waiters in [(0, 0), (100, 0), (0, 100), (100, 100)]:
        seconds = await measure(holders, waiters)
        p99 = seconds[int(len(seconds) * 0.99)]
        print(f"{holders:7}  {waiters:7}  {statistics.median(seconds) * 1e6:9.2f}  {p99 * 1e6:6.2f}")


if __name__ == "__main__":
    asyncio.run(main())
