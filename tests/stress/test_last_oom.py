"""A run that ended without a word is reported by the next one."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from app.domain.units import MIB
from soak.cgroup import MemoryGroup
from tests.stress.eater import Eater
from tests.stress.running import Stand, Subject


async def test_a_run_that_was_killed_is_inferred_by_the_next_and_a_clean_one_is_not(stand: Stand) -> None:
    async with stand.serve(log="first.log") as subject:
        assert (await subject.memory())["lastOom"] is None
        await _snapshot(subject)
        subject.service.kill()
        assert await asyncio.to_thread(subject.service.wait) == -9

    async with stand.serve(log="second.log") as subject:
        last = (await subject.memory())["lastOom"]
        assert last["evidence"] == "inferred"
        assert last["workingSetBytes"] > 20 * MIB
        assert [holder["owner"] for holder in last["holders"]] == ["api", "storage"]

    async with stand.serve(log="third.log") as subject:  # the second was stopped in order
        assert (await subject.memory())["lastOom"] is None


async def test_a_run_that_the_kernel_killed_for_memory_is_known_by_the_counter(
    stand: Stand, group: MemoryGroup
) -> None:
    async with stand.serve(log="first.log") as subject, Eater.inside(group) as eater:
        await _snapshot(subject)
        _kill_first(subject.service.pid)  # before the eater, which is larger

        with contextlib.suppress(ConnectionError):
            await eater.hold(400)

        assert await asyncio.to_thread(subject.service.wait) == -9
        assert group.oom_kills() >= 1

    async with stand.serve(log="second.log") as subject:
        last = (await subject.memory())["lastOom"]
        assert last["evidence"] == "counter"
        assert last["limitBytes"] == 300 * MIB


async def _snapshot(subject: Subject) -> None:
    """Wait until the service has written its last sample and ledger down."""
    file = subject.folder / "var" / "state" / "memory.json"
    async with asyncio.timeout(15):
        while not file.exists():  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.1)


def _kill_first(pid: int) -> None:
    """Have the kernel choose this process before all others (proc(5))."""
    Path(f"/proc/{pid}/oom_score_adj").write_text("1000")
