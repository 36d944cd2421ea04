"""The governor: samples the gauge, keeps the pressure level, and acts on it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass

from app.domain.pressure import POLICIES, ModePolicy, PressureLevel, ProcessingMode
from app.domain.priority import Priority
from app.domain.units import MIB
from app.memory.admission import WaitPolicy
from app.memory.budget import MemoryBudget
from app.memory.forecast import Forecast
from app.memory.gauge import MemoryGauge, MemorySample
from app.memory.postmortem import BlackBox
from app.memory.pressure import PressureMonitor
from app.memory.reclaim import ReclaimPriority, ReclaimRegistry
from app.memory.reservation import Reservation
from app.memory.trim import MemoryTrimmer
from app.settings import MemorySettings

logger = logging.getLogger("ballast.memory")

API_BYTES = 64 * MIB
"""What the API process takes with nothing to do, and room for what it does (measured: 60 MiB idle)."""

_GROWTH_SECONDS = 3.0
_SPARE_BYTES = 4 * MIB
"""An entry older than `_GROWTH_SECONDS` keeps a promise of so much beyond what is resident."""

_SNAPSHOT_SECONDS = 5.0
"""How often the black box is written at LOW; above, with every sample."""

_SNAPSHOT_HOLDERS = 20

LevelListener = Callable[[PressureLevel], None]


@dataclass(frozen=True, slots=True)
class EnrolledProcess:
    """A process of ours: its role, the ledger entry it is observed in, and how to kill it (None: it never is)."""

    pid: int
    role: str
    holder: Reservation | None = None
    kill: Callable[[], None] | None = None


class Governor:
    """Holds everything that is known and decided about memory.

    `sample`, `level` and `policy` are those of the last measurement: reading them costs nothing and cannot hang.
    """

    def __init__(
        self,
        settings: MemorySettings,
        gauge: MemoryGauge,
        monitor: PressureMonitor,
        reclaim: ReclaimRegistry,
        trimmer: MemoryTrimmer,
        black_box: BlackBox,
    ) -> None:
        self.settings = settings
        self.reclaim = reclaim
        self.trimmer = trimmer
        self.forecast = Forecast(ceiling_bytes=lambda: self.budget.limit_bytes)
        self.sample: MemorySample = gauge.sample(detail=True)
        self.level = monitor.update(self.sample)
        self.level_changes = 0
        self.kills = 0
        self.budget = MemoryBudget(
            int(self.sample.limit_bytes * settings.budget_share),
            working_set=lambda: self.sample.working_set_bytes,
            waiting=WaitPolicy(settings.max_waiting, settings.wait_seconds),
            on_shortage=self._reclaim,
        )
        self.last_oom = black_box.read(self.sample.oom_kills)
        self._gauge = gauge
        self._monitor = monitor
        self._black_box = black_box
        self._written_at = 0.0
        self._processes: dict[int, EnrolledProcess] = {}
        self._base_line = self.budget.hold({"api": API_BYTES}, owner="api")
        self.enroll(EnrolledProcess(os.getpid(), "api", self._base_line))
        self._listeners: list[LevelListener] = []
        self._reclaiming: asyncio.Task[object] | None = None
        reclaim.register("garbage", ReclaimPriority.GARBAGE, trimmer.collect, min_interval_seconds=5)
        reclaim.register("malloc_trim", ReclaimPriority.TRIM, trimmer.trim, min_interval_seconds=5)
        self._observe()
        self._close_classes()

    @property
    def policy(self) -> ModePolicy:
        return POLICIES[self.level]

    @property
    def mode(self) -> ProcessingMode:
        return self.policy.mode

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the level is what it is."""
        return self._monitor.reasons

    def enroll(self, process: EnrolledProcess) -> None:
        """List a process under its role, and record its resident memory in its holder."""
        self._processes[process.pid] = process

    def dismiss(self, pid: int) -> None:
        """Forget a process that has ended; releasing its holder is up to its owner."""
        self._processes.pop(pid, None)

    def role(self, pid: int) -> str:
        process = self._processes.get(pid)
        return process.role if process is not None else "other"

    def subscribe(self, listener: LevelListener) -> Callable[[], None]:
        """Call `listener` with each new level, from the loop; return what ends this. A failing one is logged."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    async def run(self) -> None:
        """Measure until cancelled: each `sample_seconds`, faster above LOW."""
        while True:
            fast = self.level > PressureLevel.LOW
            await asyncio.sleep(self.settings.fast_sample_seconds if fast else self.settings.sample_seconds)
            try:
                self.measure()
                await self._write_snapshot()
            except Exception:  # this loop must not end: the next sample may be fine
                logger.exception("a measurement failed")

    async def aclose(self) -> None:
        """Stop reclaiming and trimming, and note that this run shut down cleanly."""
        await asyncio.to_thread(self._black_box.write, self.snapshot(), clean=True)
        if self._reclaiming is not None:
            self._reclaiming.cancel()
            await asyncio.gather(self._reclaiming, return_exceptions=True)
        self._base_line.release()
        await self.reclaim.aclose()
        await self.trimmer.aclose()

    def measure(self) -> None:
        """Take one sample and act on it (some 100 us)."""
        self.sample = self._gauge.sample()
        self._observe()
        previous, self.level = self.level, self._monitor.update(self.sample)
        if self.level is not previous:
            self._change_level(previous)
        elif not self.policy.keeps_idle_models:
            self._reclaim(None)
        if self.sample.pressure >= self.settings.kill_share:
            self._kill_largest()
        self.budget.refresh()

    def _observe(self) -> None:
        for pid, resident_bytes in self.sample.resident_bytes().items():
            process = self._processes.get(pid)
            if process is not None and process.holder is not None:
                process.holder.observe(resident_bytes)
                _shrink_to_resident(process.holder)

    def snapshot(self) -> dict[str, object]:
        """Return a summary of the sample and the ledger as JSON: what one wants to know after a crash."""
        sample, statistics = self.sample, self.budget.statistics()
        largest = sorted(statistics.holders, key=lambda holder: -holder.reserved_bytes)[:_SNAPSHOT_HOLDERS]
        return {
            "at": sample.sampled_at.isoformat(),
            "level": self.level.name,
            "pressure": round(sample.pressure, 4),
            "workingSetBytes": sample.working_set_bytes,
            "limitBytes": sample.limit_bytes,
            "oomKills": sample.oom_kills,
            "waiting": statistics.waiting,
            "reservedBytes": statistics.reserved_bytes,
            "holders": [
                {"owner": h.owner, "reservedBytes": h.reserved_bytes, "residentBytes": h.resident_bytes}
                for h in largest
            ],
            "processes": [
                {"role": self.role(process.pid), "rssBytes": process.rss_bytes} for process in sample.processes
            ],
        }

    async def _write_snapshot(self) -> None:
        due = self._written_at + (_SNAPSHOT_SECONDS if self.level is PressureLevel.LOW else 0)
        if self.sample.monotonic_seconds >= due:
            self._written_at = self.sample.monotonic_seconds
            await asyncio.to_thread(self._black_box.write, self.snapshot())

    def _change_level(self, previous: PressureLevel) -> None:
        self.level_changes += 1
        logger.log(
            logging.WARNING if self.level > previous else logging.INFO,
            "pressure %s -> %s",
            previous.name,
            self.level.name,
            extra={"reasons": list(self.reasons), "pressure": round(self.sample.pressure, 3)},
        )
        self._close_classes()
        if self.level > previous:
            self.trimmer.request()
        if not self.policy.keeps_idle_models:
            self._reclaim(None)
        for listener in list(self._listeners):
            try:
                listener(self.level)
            except Exception:
                logger.exception("a level listener failed")

    def _close_classes(self) -> None:
        served = {Priority.REQUEST: self.policy.serves_requests, Priority.BATCH: self.policy.serves_batches}
        self.budget.set_closed([priority for priority, is_served in served.items() if not is_served])

    def _reclaim(self, wanted_bytes: int | None) -> None:
        if self._reclaiming is None or self._reclaiming.done():
            self._reclaiming = asyncio.get_running_loop().create_task(
                self.reclaim.reclaim(wanted_bytes), name="governor-reclaim"
            )

    def _kill_largest(self) -> None:
        """Kill the largest child before the kernel takes the whole group (memory.oom.group)."""
        enrolled = ((memory, self._processes.get(memory.pid)) for memory in self.sample.processes)
        killable = [(memory.rss_bytes, process) for memory, process in enrolled if process is not None and process.kill]
        if not killable:
            return
        rss_bytes, process = max(killable, key=lambda pair: pair[0])
        logger.error(
            "killing the largest child", extra={"role": process.role, "pid": process.pid, "rssBytes": rss_bytes}
        )
        self.kills += 1
        assert process.kill is not None
        process.kill()


def _shrink_to_resident(holder: Reservation) -> None:
    """Give back what a process was promised and, after some seconds, has not taken: else it would be owed for ever."""
    unused_bytes = holder.reserved_bytes - holder.resident_bytes - _SPARE_BYTES
    if unused_bytes > 0 and holder.age_seconds > _GROWTH_SECONDS:
        holder.shrink(unused_bytes)
