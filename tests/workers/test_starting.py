"""Children that cannot be started, and the brake on those that keep dying."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.errors import Overloaded, WorkerFailed
from tests.workers.pools import Held, Ledger, answered, ask, open_pool, until


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


async def test_a_child_that_did_not_start_is_no_entry_in_the_ledger() -> None:
    ledger = Ledger()

    async with open_pool(entry="tests.workers.entries:build_and_fail", ledger=ledger) as pool:
        with pytest.raises(WorkerFailed):
            await answered(ask(pool, "echo"))

    assert ledger.started_pids == []


async def test_nothing_is_started_after_five_deaths_until_the_oldest_is_a_minute_ago() -> None:
    now = 1000.0
    async with open_pool(clock=lambda: now) as pool:
        for _ in range(5):
            with pytest.raises(WorkerFailed):
                await answered(ask(pool, "crash", signal="SIGKILL", repeatable=False))
        await until(lambda: pool.statistics.died == 5)

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


async def test_calls_in_line_are_told_when_the_brake_closes() -> None:
    async with open_pool() as pool:
        calls = [ask(pool, "crash", signal="SIGKILL", repeatable=False) for _ in range(5)]
        behind = [ask(pool, "echo") for _ in range(3)]

        outcomes = await asyncio.wait_for(asyncio.gather(*calls, *behind, return_exceptions=True), 20)

    assert [type(outcome) for outcome in outcomes] == [WorkerFailed] * 5 + [Overloaded] * 3


async def test_a_child_that_is_up_goes_on_while_the_brake_is_closed(tmp_path: Path) -> None:
    async with open_pool(workers=2) as pool:
        for _ in range(4):
            with pytest.raises(WorkerFailed):
                await answered(ask(pool, "crash", signal="SIGKILL", repeatable=False))
        steady = Held(pool, tmp_path)
        with pytest.raises(WorkerFailed):
            await answered(ask(pool, "crash", signal="SIGKILL", repeatable=False))
        behind = ask(pool, "echo", value="served")
        await asyncio.sleep(0)
        steady.release()

        reply = await answered(behind)

        assert reply.pid == (await answered(steady.reply)).pid
    assert reply.head["value"] == "served"
    assert pool.statistics.died == 5
