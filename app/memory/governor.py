"""The governor: samples the gauge, keeps the pressure level, and acts on it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping

from app.domain.pressure import POLICIES, ModePolicy, PressureLevel, ProcessingMode
from app.domain.priority import Priority
from app.domain.units import MIB
from app.memory.budget import MemoryBudget
from app.memory.enrolled import EnrolledProcess, EnrolledProcesses
from app.memory.forecast import Forecast
from app.memory.gauge import MemoryGauge, MemorySample
from app.memory.last_resort import LastResort
from app.memory.level_log import LevelLog
from app.memory.postmortem import BlackBox
from app.memory.pressure import PressureMonitor
from app.memory.reclaim import ReclaimPriority, ReclaimRegistry
from app.memory.snapshots import SnapshotWriter, summarise
from app.memory.trim import MemoryTrimmer
from app.memory.wait_policy import WaitPolicy
from app.rounds import go_round
from app.settings import MemorySettings

__all__ = ["API_BYTES", "EnrolledProcess", "Governor", "LevelListener"]

logger = logging.getLogger("ballast.memory")

API_BYTES = 64 * MIB
"""What the API process takes with nothing to do, and room for what it does (measured: 60 MiB idle)."""

_SPARE_BYTES = 4 * MIB

_SNAPSHOT_SECONDS = 5.0
_PRESSED_SNAPSHOT_SECONDS = 1.0
"""How often the black box is written: at LOW, and above it. What it was like a second before the end tells who grew;
with each sample it would be four times the writes, just when the kernel has the least room for dirty pages."""

LevelListener = Callable[[PressureLevel], None]


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
        self._level_log = LevelLog()
        self.budget = MemoryBudget(
            self._total_bytes,
            working_set=lambda: self.sample.working_set_bytes,
            waiting=WaitPolicy(settings.max_waiting, settings.wait_seconds, client_share=settings.client_share),
            on_shortage=self._reclaim,
        )
        self.last_oom = black_box.read(self.sample.oom_kills)
        self._gauge = gauge
        self._monitor = monitor
        self._snapshots = SnapshotWriter(black_box)
        self._written_at = 0.0
        self._processes = EnrolledProcesses()
        self._last_resort = LastResort(self._processes, settings.kill_share)
        self._base_line = self.budget.hold({"api": API_BYTES}, owner="api")
        self.enroll(EnrolledProcess(os.getpid(), "api", self._base_line))
        self._listeners: list[LevelListener] = []
        self._reclaiming: asyncio.Task[object] | None = None
        self._remeasuring: asyncio.Handle | None = None
        reclaim.register("garbage", ReclaimPriority.GARBAGE, trimmer.collect, min_interval_seconds=5)
        reclaim.register("malloc_trim", ReclaimPriority.TRIM, trimmer.trim, min_interval_seconds=5)
        self._processes.observe(self.sample)
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

    @property
    def kills(self) -> int:
        return self._last_resort.kills

    def enroll(self, process: EnrolledProcess) -> None:
        """List a process under its role, and record its resident memory in its holder."""
        self._processes.add(process)

    def dismiss(self, pid: int) -> None:
        """Forget a process that has ended; releasing its holder is up to its owner."""
        self._processes.remove(pid)

    def role(self, pid: int) -> str:
        return self._processes.role(pid)

    def owner(self, pid: int) -> str | None:
        return self._processes.owner(pid)

    @property
    def started(self) -> Mapping[str, int]:
        """How many processes of each role were enrolled."""
        return self._processes.started

    def resident_now(self, pid: int) -> int:
        """Return what a process holds now, as samples count it: its own bytes and its part of what it shares."""
        return self._gauge.measure(pid)

    def private_bytes(self, pid: int) -> int:
        """Return the same without the files that it maps, of a process that was just measured."""
        return self._gauge.private_bytes(pid)

    def subscribe(self, listener: LevelListener) -> Callable[[], None]:
        """Call `listener` with each new level, from the loop; return what ends this. A failing one is logged."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    async def run(self) -> None:
        """Measure until cancelled: each `sample_seconds`, faster above LOW."""
        works = {"a measurement": self.measure, "a snapshot": self._write_snapshot}
        await go_round(works, self._pause_seconds, logger)

    async def aclose(self) -> None:
        """Stop reclaiming and trimming, and note that this run shut down cleanly (a disk that hangs has 5 s for it)."""
        if self._remeasuring is not None:
            self._remeasuring.cancel()
        await self._snapshots.aclose(self.snapshot())
        if self._reclaiming is not None:
            self._reclaiming.cancel()
            await asyncio.gather(self._reclaiming, return_exceptions=True)
        self._base_line.release()
        await self.reclaim.aclose()
        await self.trimmer.aclose()

    def measure(self) -> None:
        """Take one sample and act on it (some 100 us)."""
        previous_limit_bytes = self.sample.limit_bytes
        self.sample = self._gauge.sample()
        self._last_resort.act(self.sample)
        self._processes.observe(self.sample)
        self._shrink_base_line()
        if self.sample.limit_bytes != previous_limit_bytes:
            self._follow_limit(previous_limit_bytes)
        previous, self.level = self.level, self._monitor.update(self.sample)
        self._level_log.look(self.sample.monotonic_seconds)
        if self.level is not previous:
            self._change_level(previous)
        elif not self.policy.keeps_idle_models:
            self._reclaim(None)
        self.budget.refresh()

    def remeasure(self) -> None:
        """Measure as soon as may be: a process has come or gone, of which the last sample knows nothing."""
        if self._remeasuring is None:
            self._remeasuring = asyncio.get_running_loop().call_soon(self._remeasure)

    def snapshot(self) -> dict[str, object]:
        """Return a summary of the sample and the ledger as JSON: what one wants to know after a crash."""
        return summarise(self.sample, self.budget.statistics(), self.level, self.role)

    def _remeasure(self) -> None:
        self._remeasuring = None
        try:
            self.measure()
        except Exception:
            logger.exception("a measurement failed")

    @property
    def _total_bytes(self) -> int:
        return int(self.sample.limit_bytes * self.settings.budget_share)

    def _shrink_base_line(self) -> None:
        """Promise the API no more than `_SPARE_BYTES` beyond what it has: what it does reserves its own bytes."""
        unused_bytes = self._base_line.reserved_bytes - self._base_line.resident_bytes - _SPARE_BYTES
        if unused_bytes > 0 and self._base_line.resident_bytes:
            self._base_line.shrink(unused_bytes)

    def _pause_seconds(self) -> float:
        fast = self.level > PressureLevel.LOW
        return self.settings.fast_sample_seconds if fast else self.settings.sample_seconds

    def _write_snapshot(self) -> None:
        every_seconds = _SNAPSHOT_SECONDS if self.level is PressureLevel.LOW else _PRESSED_SNAPSHOT_SECONDS
        if self.sample.monotonic_seconds >= self._written_at + every_seconds and not self._snapshots.is_writing:
            self._written_at = self.sample.monotonic_seconds
            self._snapshots.write(self.snapshot())

    def _follow_limit(self, previous_bytes: int) -> None:
        """The limit was changed while we run (`docker update`): waiters that can no longer fit are shed."""
        logger.warning("the memory limit is %d bytes now, it was %d", self.sample.limit_bytes, previous_bytes)
        self.budget.set_total(self._total_bytes)

    def _change_level(self, previous: PressureLevel) -> None:
        self.level_changes += 1
        now, pressure = self.sample.monotonic_seconds, self.sample.pressure
        self._level_log.changed(now, previous, self.level, self.reasons, pressure)
        self._close_classes()
        if self.level > previous:
            self.trimmer.request()
        if not self.policy.keeps_idle_models:
            self._reclaim(None)
        for listener in list(self._listeners):
            try:
                listener(self.level)
            except (Exception, asyncio.CancelledError):  # a listener may ask something that was cancelled
                logger.exception("a level listener failed")

    def _close_classes(self) -> None:
        served = {Priority.REQUEST: self.policy.serves_requests, Priority.BATCH: self.policy.serves_batches}
        self.budget.set_closed([priority for priority, is_served in served.items() if not is_served])

    def _reclaim(self, wanted_bytes: int | None) -> None:
        if self._reclaiming is None or self._reclaiming.done():
            self._reclaiming = asyncio.get_running_loop().create_task(
                self.reclaim.reclaim(wanted_bytes), name="governor-reclaim"
            )
