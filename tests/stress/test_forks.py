"""Children forked and ended ten thousand times, and zygotes and children killed at any moment: nothing is kept."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from pathlib import Path
from random import Random

import pytest

from app.domain.units import KIB, MIB
from app.errors import WorkerFailed
from app.workers.footprint import resident_bytes
from app.workers.pool import WorkerPool
from app.workers.reply import Reply
from app.workers.spec import PoolLimits
from app.workers.zygote import Zygote
from tests.leaks import open_descriptors
from tests.workers.accounts import Ledger
from tests.workers.pools import answered, ask, is_gone, open_pool, until
from tests.workers.zygotes import children_of, descriptors_of, open_zygote, start_and_end

_ABREAST = 8


@pytest.mark.stress
@pytest.mark.timeout(1800)
async def test_ten_thousand_children_leave_neither_memory_nor_descriptors_nor_zombies() -> None:
    async with open_zygote("numpy", "PIL.Image") as (zygote, watch):
        await _start_and_end(zygote, 200)  # the allocators have what they keep
        (pid,) = watch.pids
        descriptors = (len(open_descriptors()), descriptors_of(pid))
        ours_bytes, zygote_bytes = resident_bytes(), _resident_bytes(pid)

        await _start_and_end(zygote, 10_000)

        assert watch.pids == [pid]
        assert children_of(pid) == []
        assert (len(open_descriptors()), descriptors_of(pid)) == descriptors
        assert _resident_bytes(pid) - zygote_bytes < MIB
        assert resident_bytes() - ours_bytes < 4 * MIB


KILLS = [20, pytest.param(1000, marks=[pytest.mark.stress, pytest.mark.timeout(1800)])]


@pytest.mark.parametrize("kills", KILLS)
async def test_whatever_is_killed_whenever_every_call_ends_and_the_next_one_works(kills: int) -> None:
    random = Random(10)
    now = 0.0
    ledger = Ledger()
    async with (
        open_zygote(clock=lambda: now) as (zygote, watch),
        open_pool(zygote, ledger=ledger, limits=PoolLimits(workers=3), ahead=1) as pool,
    ):
        for _ in range(kills):
            calls = [ask(pool, "sleep", b"photo", seconds=random.uniform(0, 0.02)) for _ in range(6)]
            await asyncio.sleep(random.uniform(0, 0.06))
            victims = [worker.pid for worker in pool.children] + watch.running
            if victims:
                os.kill(random.choice(victims), signal.SIGKILL)
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            await until(partial(_is_settled, pool))
            now += 60.0  # the zygote's brake is not what is tried here

            assert {type(outcome) for outcome in outcomes} <= {Reply, WorkerFailed}
            assert (await answered(ask(pool, "echo", b"photo"))).payload == b"photo"

        assert pool.trouble is None
    assert all(is_gone(pid) for pid in (*ledger.pids, *watch.pids))


def _is_settled(pool: WorkerPool) -> bool:
    """Whether no child is starting or dying; a start fails where the zygote dies in it."""
    return pool.size == len(pool.children)


async def _start_and_end(zygote: Zygote, times: int) -> None:
    for _ in range(times // _ABREAST):
        methods = await asyncio.gather(*(start_and_end(zygote) for _ in range(_ABREAST)))
        assert set(methods) == {"fork"}


def _resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * KIB
