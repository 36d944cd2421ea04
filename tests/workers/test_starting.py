"""Children that cannot be started, and the brake on those that keep dying."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.errors import ModelMissing, Overloaded, WorkerFailed
from app.workers.launch import PlainLauncher
from app.workers.launcher import Launcher
from app.workers.pool import WorkerPool
from app.workers.spec import PoolLimits
from app.workers.surroundings import Surroundings
from tests.workers.accounts import Ledger
from tests.workers.pools import Held, answered, ask, is_gone, open_pool, until


@pytest.mark.parametrize(
    "entry",
    ["tests.workers.entries:build_and_fail", "tests.workers.entries:no_such_function", "no.such.module:build"],
)
async def test_a_child_that_cannot_be_built_fails_the_call(entry: str) -> None:
    async with open_pool(entry=entry) as pool:
        with pytest.raises(WorkerFailed):
            await answered(ask(pool, "echo"))


async def test_a_child_that_never_gets_ready_fails_the_call_and_is_killed() -> None:
    async with open_pool(entry="tests.workers.entries:build_never", start_seconds=0.3) as pool:
        with pytest.raises(WorkerFailed):
            await answered(ask(pool, "echo"))

        await until(lambda: pool.statistics.died == 1)


async def test_the_calls_behind_one_whose_child_did_not_start_get_another(tmp_path: Path) -> None:
    entry = "tests.workers.entries:build_once_in_two"
    async with open_pool(entry=entry, options={"mark": str(tmp_path / "tried")}) as pool:
        first, second = ask(pool, "echo"), ask(pool, "echo", value="served")

        with pytest.raises(WorkerFailed):
            await answered(first)

        assert (await answered(second)).head["value"] == "served"


@pytest.mark.parametrize(
    "entry",
    ["tests.workers.entries:build_and_fail", "tests.workers.entries:build_and_crash", "no.such.module:build"],
)
async def test_who_starts_a_child_that_cannot_be_built_is_told_and_the_account_is_closed(
    launcher: Launcher, entry: str
) -> None:
    ledger = Ledger(grants=0)

    async with open_pool(launcher, entry=entry, ledger=ledger) as pool:
        with pytest.raises(WorkerFailed):
            await pool.start(ledger.granted())

        assert ledger.accounts[0].events == ["opened", "ended", "closed"]
        assert is_gone(ledger.pids[0])


async def test_what_building_refuses_is_told_and_counts_against_nothing(launcher: Launcher) -> None:
    ledger = Ledger(grants=0)

    async with open_pool(launcher, entry="tests.workers.entries:build_and_refuse", ledger=ledger) as pool:
        for _ in range(6):
            with pytest.raises(ModelMissing, match="no such model"):
                await pool.start(ledger.granted())

        assert pool.trouble is None


async def test_who_waits_in_line_is_told_what_building_refuses() -> None:
    async with open_pool(entry="tests.workers.entries:build_and_refuse") as pool:
        with pytest.raises(ModelMissing):
            await answered(ask(pool, "echo"))


async def test_a_child_that_cannot_be_built_within_its_data_limit_says_so() -> None:
    async with open_pool(entry="tests.workers.entries:build_too_large") as pool:
        with pytest.raises(WorkerFailed, match="memory"):
            await answered(ask(pool, "echo"))


async def test_nothing_is_started_after_crashes_on_five_inputs_until_the_oldest_is_a_minute_ago() -> None:
    now = 1000.0
    async with open_pool(surroundings=Surroundings.around(PlainLauncher(), lambda: now)) as pool:
        await crash(pool, 5)
        with pytest.raises(Overloaded) as refusal:
            await answered(ask(pool, "echo"))

        trouble = pool.trouble
        now += 60.0
        reply = await answered(ask(pool, "echo", b"after"))
    assert trouble is not None
    assert "test worker died too often" in trouble
    assert refusal.value.retry_after_seconds is not None
    assert 60 <= refusal.value.retry_after_seconds <= 61
    assert reply.payload == b"after"
    assert pool.trouble is None


async def test_a_start_is_refused_and_its_account_closed_while_the_brake_is_closed() -> None:
    ledger = Ledger()
    async with open_pool(ledger=ledger) as pool:
        await crash(pool, 5)

        with pytest.raises(Overloaded):
            await pool.start(ledger.granted())

        assert ledger.accounts[-1].events == ["closed"]


async def test_crashes_at_the_start_close_the_brake() -> None:
    ledger = Ledger()
    async with open_pool(ledger=ledger, entry="tests.workers.entries:build_and_crash") as pool:
        for _ in range(5):
            with pytest.raises(WorkerFailed):
                await pool.start(ledger.granted())

        assert pool.trouble is not None


async def test_calls_in_line_are_told_when_the_brake_closes() -> None:
    async with open_pool() as pool:
        calls = [ask(pool, "crash", b"photo %d" % number, signal="SIGSEGV", repeatable=False) for number in range(5)]
        behind = [ask(pool, "echo") for _ in range(3)]

        outcomes = await asyncio.wait_for(asyncio.gather(*calls, *behind, return_exceptions=True), 20)

    assert [type(outcome) for outcome in outcomes] == [WorkerFailed] * 5 + [Overloaded] * 3


async def test_a_child_that_is_up_goes_on_while_the_brake_is_closed(tmp_path: Path) -> None:
    async with open_pool(limits=PoolLimits(workers=2)) as pool:
        await crash(pool, 4)
        steady = Held(pool, tmp_path)
        await steady.begun()
        with pytest.raises(WorkerFailed):
            await answered(ask(pool, "crash", b"the last", signal="SIGSEGV", repeatable=False))
        behind = ask(pool, "echo", value="served")
        await asyncio.sleep(0)
        steady.release()

        reply = await answered(behind)

        assert reply.pid == (await answered(steady.reply)).pid
    assert reply.head["value"] == "served"
    assert pool.statistics.died == 5


async def crash(pool: WorkerPool, times: int) -> None:
    """Have children crash on so many different inputs."""
    for number in range(times):
        with pytest.raises(WorkerFailed):
            await answered(ask(pool, "crash", b"photo %d" % number, signal="SIGSEGV", repeatable=False))
