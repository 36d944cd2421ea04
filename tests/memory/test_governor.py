"""The governor on a gauge that shows what the test sets."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.domain.pressure import PressureLevel, ProcessingMode
from app.domain.priority import Priority
from app.domain.units import MIB
from app.errors import MemoryExceedsLimit, Overloaded
from app.memory.budget import MemoryBudget
from app.memory.governor import API_BYTES, EnrolledProcess, Governor
from app.memory.postmortem import BlackBox
from app.memory.reclaim import ReclaimPriority
from app.settings import MemorySettings
from tests.leaks import Leaks
from tests.memory.gauges import LIMIT_BYTES, FakeGauge, FakeTrimmer, make_governor
from tests.workers.pools import until

LOW, MODERATE, HIGH, CRITICAL = 0.1, 0.75, 0.85, 0.92
FAST = MemorySettings(sample_seconds=0.001, fast_sample_seconds=0.001)


@dataclass
class House:
    gauge: FakeGauge
    governor: Governor
    reclaimed: int = 0

    def at(self, share: float) -> PressureLevel:
        """Measure with such a working set."""
        self.gauge.share = share
        self.governor.measure()
        return self.governor.level

    def watch_reclaim(self) -> None:
        self.governor.reclaim.register("watch", ReclaimPriority.CACHE, self._count)

    def _count(self, _wanted_bytes: int | None) -> int:
        self.reclaimed += 1
        return 0

    async def reclaims(self) -> int:
        """Return how often the reclaimers ran, when all that was begun has ended."""
        for _ in range(10):
            await asyncio.sleep(0)
        return self.reclaimed

    @property
    def trims(self) -> int:
        trimmer = self.governor.trimmer
        assert isinstance(trimmer, FakeTrimmer)
        return trimmer.requests

    @property
    def black_box(self) -> Path:
        return self._folder / "state" / "memory.json"

    _folder: Path = Path()


@pytest.fixture
async def build(tmp_path: Path, leaks: Leaks) -> AsyncIterator[Callable[..., House]]:
    opened: list[Governor] = []

    def build(share: float = LOW, settings: MemorySettings | None = None, black_box: BlackBox | None = None) -> House:
        gauge = FakeGauge(share)
        governor = make_governor(tmp_path, gauge, settings, black_box)
        leaks.watch(governor.budget)
        opened.append(governor)
        house = House(gauge, governor)
        house._folder = tmp_path
        house.watch_reclaim()
        return house

    yield build
    for governor in opened:
        await governor.aclose()


@pytest.fixture
async def house(build: Callable[..., House]) -> House:
    return build()


async def test_levels_and_modes_follow_the_working_set(house: House) -> None:
    seen = [(house.at(share), house.governor.mode) for share in (LOW, MODERATE, HIGH, CRITICAL, LOW)]

    assert seen == [
        (PressureLevel.LOW, ProcessingMode.FULL_QUALITY),
        (PressureLevel.MODERATE, ProcessingMode.BALANCED),
        (PressureLevel.HIGH, ProcessingMode.MEMORY_OPTIMIZED),
        (PressureLevel.CRITICAL, ProcessingMode.SURVIVAL),
        (PressureLevel.LOW, ProcessingMode.FULL_QUALITY),
    ]
    assert house.governor.level_changes == 4
    assert house.governor.reasons == ()


async def test_what_stays_the_same_is_no_change(house: House) -> None:
    for _ in range(5):
        house.at(MODERATE)

    assert house.governor.level_changes == 1
    assert house.governor.reasons == ("working set 0.75 of the limit",)


async def test_a_change_is_logged_with_its_reasons(house: House, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "ballast.memory"):
        house.at(HIGH)
        house.at(LOW)

    rise, fall = [record for record in caplog.records if record.message.startswith("pressure ")]
    assert (rise.levelname, rise.message) == ("WARNING", "pressure LOW -> HIGH")
    assert vars(rise)["reasons"] == ["working set 0.85 of the limit"]
    assert (fall.levelname, fall.message) == ("INFO", "pressure HIGH -> LOW")


async def test_the_budget_is_the_share_of_the_limit(build: Callable[..., House]) -> None:
    house = build(settings=MemorySettings(budget_share=0.5))

    assert house.governor.budget.total_bytes == LIMIT_BYTES // 2
    assert house.governor.budget.reserved_bytes == API_BYTES
    assert house.governor.budget.limit_bytes == LIMIT_BYTES // 2 - API_BYTES


async def test_only_critical_sheds_requests_and_holds_batches_back(house: House) -> None:
    closed = {share: (house.at(share), house.governor.budget.statistics().closed)[1] for share in (HIGH, CRITICAL, LOW)}

    assert closed == {
        HIGH: frozenset(), CRITICAL: frozenset({Priority.REQUEST, Priority.BATCH}), LOW: frozenset(),
    }  # fmt: skip


async def test_a_request_that_waits_is_shed_when_memory_becomes_critical_and_a_batch_goes_on_afterwards(
    house: House,
) -> None:
    async def work(priority: Priority) -> str:
        async with house.governor.budget.reserve({"decode": 700 * MIB}, owner="work", priority=priority):
            return "done"

    most = house.governor.budget.try_reserve({"x": 600 * MIB}, owner="other", priority=Priority.LIVE)
    assert most is not None
    request, batch = asyncio.create_task(work(Priority.REQUEST)), asyncio.create_task(work(Priority.BATCH))
    await until(lambda: house.governor.budget.statistics().waiting == 2)

    house.at(CRITICAL)
    with pytest.raises(Overloaded):
        await request
    most.release()
    await asyncio.sleep(0)
    assert not batch.done()

    house.at(LOW)
    assert await batch == "done"


async def test_classes_are_closed_from_the_start_where_the_start_is_critical(build: Callable[..., House]) -> None:
    house = build(CRITICAL)

    assert house.governor.level is PressureLevel.CRITICAL
    with pytest.raises(Overloaded):
        async with house.governor.budget.reserve({"x": 1}, owner="work", priority=Priority.REQUEST):
            pytest.fail("it was granted")


async def test_the_working_set_counts_in_the_budget(house: House) -> None:
    house.at(0.8)

    assert house.governor.budget.free_bytes <= 0.05 * LIMIT_BYTES
    house.at(0.1)
    assert house.governor.budget.free_bytes >= 0.7 * LIMIT_BYTES


async def test_waiters_are_looked_at_after_each_sample(house: House) -> None:
    house.at(0.84)

    async def work() -> None:
        async with house.governor.budget.reserve({"x": 300 * MIB}, owner="work", priority=Priority.REQUEST):
            pass

    working = asyncio.create_task(work())
    await until(lambda: house.governor.budget.statistics().waiting == 1)

    house.at(LOW)

    async with asyncio.timeout(5):
        await working


async def test_a_rise_trims_and_a_fall_does_not(house: House) -> None:
    trims = [(house.at(share), house.trims)[1] for share in (MODERATE, HIGH, CRITICAL, HIGH, LOW)]

    assert trims == [1, 2, 3, 3, 3]


async def test_nothing_is_reclaimed_below_high(house: House) -> None:
    house.at(MODERATE)
    house.at(MODERATE)

    assert await house.reclaims() == 0


async def test_at_high_everything_is_reclaimed_again_and_again(house: House) -> None:
    house.at(HIGH)
    first = await house.reclaims()
    house.at(HIGH)
    second = await house.reclaims()
    house.at(LOW)

    assert (first, second, await house.reclaims()) == (1, 2, 2)


async def test_one_reclaim_runs_at_a_time(house: House) -> None:
    gate = asyncio.Event()
    runs: list[int] = []

    async def slow(_wanted_bytes: int | None) -> int:
        runs.append(1)
        await gate.wait()
        return 0

    house.governor.reclaim.register("slow", ReclaimPriority.CACHE, slow)
    for _ in range(4):
        house.at(HIGH)
        await asyncio.sleep(0)
    gate.set()
    await house.reclaims()

    assert len(runs) == 1


async def test_a_waiter_that_lacks_bytes_has_idle_holders_give_way(house: House) -> None:
    idle = house.governor.budget.try_reserve({"x": 700 * MIB}, owner="idle", priority=Priority.LIVE)
    assert idle is not None
    wanted: list[int | None] = []

    def give_way(wanted_bytes: int | None) -> int:
        wanted.append(wanted_bytes)
        nbytes = idle.reserved_bytes
        idle.release()
        return nbytes

    house.governor.reclaim.register("idle", ReclaimPriority.IDLE_MODELS, give_way)

    async with (
        asyncio.timeout(5),
        house.governor.budget.reserve({"x": 400 * MIB}, owner="work", priority=Priority.REQUEST),
    ):
        pass

    assert len(wanted) == 1
    assert wanted[0] is not None
    assert 0 < wanted[0] <= 400 * MIB


async def test_listeners_are_told_of_changes_only_until_they_go(house: House) -> None:
    told: list[PressureLevel] = []
    unsubscribe = house.governor.subscribe(told.append)

    for share in (LOW, HIGH, HIGH, LOW):
        house.at(share)
    unsubscribe()
    house.at(CRITICAL)

    assert told == [PressureLevel.HIGH, PressureLevel.LOW]


async def test_a_listener_that_fails_keeps_nobody_from_being_told(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[PressureLevel] = []

    def fail(_level: PressureLevel) -> None:
        raise RuntimeError("not foreseen")

    def ask_what_was_cancelled(_level: PressureLevel) -> None:
        raise asyncio.CancelledError

    for listener in (fail, ask_what_was_cancelled, told.append):
        house.governor.subscribe(listener)

    house.at(HIGH)

    assert told == [PressureLevel.HIGH]
    assert caplog.text.count("a level listener failed") == 2


async def test_a_listener_may_go_while_it_is_told(house: House) -> None:
    told: list[str] = []

    def once(_level: PressureLevel) -> None:
        told.append("once")
        unsubscribe()

    unsubscribe = house.governor.subscribe(once)
    house.governor.subscribe(lambda _: told.append("always"))

    house.at(HIGH)
    house.at(LOW)

    assert told == ["once", "always", "always"]


async def test_what_is_seen_of_a_process_stands_in_its_holder(house: House) -> None:
    holder = house.governor.budget.try_reserve({"worker": 50 * MIB}, owner="worker:test", priority=Priority.LIVE)
    assert holder is not None
    house.governor.enroll(EnrolledProcess(1001, "test", holder))
    house.gauge.resident_bytes |= {1001: 42 * MIB, os.getpid(): 61 * MIB}

    house.governor.measure()

    seen = {one.owner: one.resident_bytes for one in house.governor.budget.statistics().holders}
    assert seen == {"api": 61 * MIB, "worker:test": 42 * MIB}
    assert house.governor.role(1001) == "test"
    assert house.governor.role(4242) == "other"
    holder.release()
    house.governor.measure()  # a sample may come between the release and the dismissal
    house.governor.dismiss(1001)
    house.governor.dismiss(1001)
    assert house.governor.role(1001) == "other"


async def test_the_first_sample_is_in_the_ledger_at_once(house: House) -> None:
    (api,) = house.governor.budget.statistics().holders

    assert (api.owner, api.reserved_bytes, api.resident_bytes) == ("api", API_BYTES, 60 * MIB)


async def test_a_process_is_measured_now_where_the_last_sample_is_too_old(house: House) -> None:
    house.gauge.resident_bytes[1001] = 42 * MIB

    assert house.governor.resident_now(1001) == 42 * MIB
    assert house.governor.resident_now(1002) == 0


async def test_a_promise_is_kept_until_its_owner_gives_it_back(house: House) -> None:
    """FFmpeg takes what it was promised slowly: what it has not taken yet is not free."""
    holder = house.governor.budget.try_reserve({"x": 300 * MIB}, owner="ffmpeg", priority=Priority.BATCH)
    assert holder is not None
    holder._holder.since -= 3600
    house.governor.enroll(EnrolledProcess(1001, "ffmpeg", holder))
    house.gauge.resident_bytes[1001] = 10 * MIB

    house.governor.measure()

    assert holder.reserved_bytes == 300 * MIB
    holder.release()


async def test_near_the_limit_a_child_is_killed_and_counted(house: House) -> None:
    killed: list[int] = []
    house.gauge.resident_bytes[1001] = 300 * MIB
    house.governor.enroll(EnrolledProcess(1001, "vision", None, lambda: killed.append(1001)))

    house.at(0.94)
    before = list(killed)
    house.at(0.95)

    assert (before, killed, house.governor.kills) == ([], [1001], 1)


async def test_the_share_at_which_is_killed_is_a_setting(build: Callable[..., House]) -> None:
    house = build(settings=MemorySettings(kill_share=0.99))
    killed: list[int] = []
    house.gauge.resident_bytes[1001] = MIB
    house.governor.enroll(EnrolledProcess(1001, "vision", None, lambda: killed.append(1001)))

    house.at(0.98)
    assert killed == []
    house.at(0.99)
    assert killed == [1001]


async def test_a_limit_that_is_lowered_sheds_who_can_no_longer_fit(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    budget = house.governor.budget
    most = budget.try_reserve({"x": 600 * MIB}, owner="most", priority=Priority.LIVE)
    assert most is not None
    working = asyncio.create_task(_reserve(budget, 500 * MIB))
    await until(lambda: budget.statistics().waiting == 1)

    house.gauge.limit_bytes = LIMIT_BYTES // 2
    house.at(LOW)
    house.at(LOW)

    with pytest.raises(MemoryExceedsLimit):
        await working
    assert budget.total_bytes == int(LIMIT_BYTES // 2 * MemorySettings().budget_share)
    assert caplog.text.count("the memory limit is") == 1
    most.release()


async def test_a_limit_that_is_raised_serves_who_fits_now(house: House) -> None:
    budget = house.governor.budget
    most = budget.try_reserve({"x": 600 * MIB}, owner="most", priority=Priority.LIVE)
    assert most is not None
    working = asyncio.create_task(_reserve(budget, 500 * MIB))
    await until(lambda: budget.statistics().waiting == 1)

    house.gauge.limit_bytes = 2 * LIMIT_BYTES
    house.at(LOW)

    async with asyncio.timeout(5):
        await working
    most.release()


async def _reserve(budget: MemoryBudget, nbytes: int) -> None:
    async with budget.reserve({"x": nbytes}, owner="work", priority=Priority.REQUEST):
        pass


async def test_the_snapshot_says_what_one_wants_to_know_after_a_crash(house: House) -> None:
    house.gauge.oom_kills = 3
    house.at(HIGH)
    holders = [house.governor.budget.record({"x": number * MIB}, owner=f"work-{number}") for number in range(1, 30)]

    snapshot: dict[str, Any] = json.loads(json.dumps(house.governor.snapshot()))

    assert (snapshot["level"], snapshot["pressure"], snapshot["oomKills"]) == ("HIGH", 0.85, 3)
    assert snapshot["limitBytes"] == LIMIT_BYTES
    assert snapshot["workingSetBytes"] == int(HIGH * LIMIT_BYTES)
    assert snapshot["reservedBytes"] == house.governor.budget.reserved_bytes
    assert snapshot["processes"] == [{"role": "api", "rssBytes": 60 * MIB}]
    owners = [holder["owner"] for holder in snapshot["holders"]]
    assert owners[:2] == ["api", "work-29"]
    assert len(owners) == 20
    for holder in holders:
        holder.release()


async def test_it_measures_until_it_is_cancelled_and_writes_its_black_box(build: Callable[..., House]) -> None:
    house = build(settings=FAST)
    running = asyncio.create_task(house.governor.run())

    await until(house.black_box.exists)
    house.gauge.share = HIGH
    await until(lambda: house.governor.level is PressureLevel.HIGH)
    await until(lambda: json.loads(house.black_box.read_text())["snapshot"]["level"] == "HIGH")

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_measurement_that_fails_does_not_end_the_measuring(
    build: Callable[..., House], caplog: pytest.LogCaptureFixture
) -> None:
    house = build(settings=FAST)
    house.gauge.error = RuntimeError("not foreseen")
    running = asyncio.create_task(house.governor.run())
    await until(lambda: "a measurement failed" in caplog.text)

    house.gauge.error = None
    house.gauge.share = HIGH
    await until(lambda: house.governor.level is PressureLevel.HIGH)

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class HangingBox(BlackBox):
    """A black box on a disk that hangs until it is let go."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.hanging = threading.Event()
        self.go = threading.Event()

    def write(self, snapshot: Mapping[str, Any], *, clean: bool = False) -> None:
        self.hanging.set()
        self.go.wait()
        super().write(snapshot, clean=clean)


async def test_a_disk_that_hangs_holds_up_no_sample(tmp_path: Path, build: Callable[..., House]) -> None:
    box = HangingBox(tmp_path / "state" / "memory.json")
    house = build(settings=FAST, black_box=box)
    running = asyncio.create_task(house.governor.run())
    await until(box.hanging.is_set)

    samples = house.gauge.samples
    await until(lambda: house.gauge.samples > samples + 20)

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    box.go.set()


async def test_an_executor_without_a_free_thread_holds_up_nothing(build: Callable[..., House]) -> None:
    executor, gate = ThreadPoolExecutor(1), threading.Event()
    asyncio.get_running_loop().set_default_executor(executor)
    executor.submit(gate.wait)
    house = build(settings=FAST)
    running = asyncio.create_task(house.governor.run())

    await until(house.black_box.exists)
    samples = house.gauge.samples
    await until(lambda: house.gauge.samples > samples + 20)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await house.governor.aclose()

    assert json.loads(house.black_box.read_text())["clean"] is True
    gate.set()


async def test_an_end_in_order_is_written_down(build: Callable[..., House]) -> None:
    house = build()

    await house.governor.aclose()

    assert json.loads(house.black_box.read_text())["clean"] is True
    assert house.governor.budget.reserved_bytes == 0


async def test_a_start_after_an_end_in_order_has_nothing_to_tell(build: Callable[..., House]) -> None:
    await build().governor.aclose()

    assert build().governor.last_oom is None


async def test_a_start_after_a_run_that_was_killed_tells_what_it_was_doing(build: Callable[..., House]) -> None:
    first = build(HIGH, settings=FAST)
    running = asyncio.create_task(first.governor.run())
    await until(first.black_box.exists)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    last = build().governor.last_oom

    assert last is not None
    assert last.evidence == "inferred"
    assert last.snapshot["level"] == "HIGH"
