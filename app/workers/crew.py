"""The children of one pool: started when needed, let go when idle, outgrown or not wanted, lost when they die."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Protocol

from app.workers.brake import RestartBrake
from app.workers.process import WorkerGone, WorkerProcess
from app.workers.spec import WorkerSpec

logger = logging.getLogger("ballast.workers")

_resident_bytes = attrgetter("resident_bytes")


class WorkerLedger(Protocol):
    """Who answers for the memory of the children."""

    def allowed(self, configured: int) -> int:
        """Return how many children of the `configured` number there may be now; 0: none may be started."""
        ...

    def may_grow(self) -> bool:
        """Whether there is memory for a child beside those that are there (the first is never asked for)."""
        ...

    def first_concurrency(self, slots: int) -> int:
        """Return how many calls of `slots` a new child may work on at a time."""
        ...

    def may_raise_concurrency(self, worker: WorkerProcess) -> bool:
        """Whether there is memory for a child to work on one call more at a time."""
        ...

    def is_outgrown(self, worker: WorkerProcess) -> bool:
        """Whether a child holds more than it should between two calls, and is to be replaced."""
        ...

    def started(self, worker: WorkerProcess) -> None: ...

    def ended(self, worker: WorkerProcess) -> None: ...


@dataclass(slots=True)
class CrewCounters:
    """`died` ended without being asked to, `recycled` were replaced because they had outgrown."""

    started: int = 0
    died: int = 0
    recycled: int = 0


@dataclass(slots=True)
class Crew:
    """Starts children and lets them go; `workers` are those that are up.

    `on_change` is called whenever a call might find a child, or must be told that it will not; `on_start_failed` when
    a child could not be started, before `on_change`.
    """

    spec: WorkerSpec
    ledger: WorkerLedger
    brake: RestartBrake
    on_change: Callable[[], None]
    on_start_failed: Callable[[], None]
    counters: CrewCounters = field(default_factory=CrewCounters, init=False)
    workers: list[WorkerProcess] = field(default_factory=list, init=False)
    _starting: int = field(default=0, init=False)
    _living: set[WorkerProcess] = field(default_factory=set, init=False)
    _idle_timers: dict[WorkerProcess, asyncio.TimerHandle] = field(default_factory=dict, init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    @property
    def size(self) -> int:
        """How many children are up or starting."""
        return len(self.workers) + self._starting

    @property
    def allowed(self) -> int:
        """How many children there may be now."""
        return self.ledger.allowed(self.spec.limits.workers)

    def level(self) -> None:
        """Recall a call that waits in a busy child while another child has a free slot."""
        if any(worker.free_slots > 0 for worker in self.workers):
            behind = next((worker for worker in self.workers if worker.free_slots < 0), None)
            if behind is not None:
                behind.recall()

    def find(self, pid: int) -> WorkerProcess | None:
        """Return the child with this process id, if it stays."""
        return next((worker for worker in self._staying() if worker.pid == pid), None)

    def grow(self) -> None:
        """Have a child work on one more call at a time, or start one more child, if the memory for it is granted."""
        staying = self._staying()
        if any(self._raise_concurrency(worker) for worker in staying):
            return
        if self._starting or self.brake.closed_seconds > 0 or len(staying) >= self.allowed:
            return
        if self.workers and not self.ledger.may_grow():
            return
        self._starting += 1
        self._spawn(self._start(), "start")

    def keep(self, worker: WorkerProcess) -> None:
        """Do not let a child go for idleness: it has a call."""
        if (timer := self._idle_timers.pop(worker, None)) is not None:
            timer.cancel()

    def rest(self, worker: WorkerProcess) -> None:
        """Let a child go if it should, now that a call of it has ended, else watch how long it is idle."""
        if worker.stopping:
            return
        if not worker.leaving and self.ledger.is_outgrown(worker):
            self._recycle(worker)
        if worker.calls_in_flight == 0:
            if worker.leaving:
                self._spawn(self._release(worker), "leave")
            else:
                self._watch_idle(worker)

    def shrink(self) -> None:
        """Let the children go that are more than allowed, the largest first."""
        staying = sorted(self._staying(), key=_resident_bytes, reverse=True)
        for worker in staying[: max(0, len(staying) - self.allowed)]:
            self.dismiss(worker)

    def dismiss_largest(self) -> None:
        """Let the largest child go."""
        if staying := self._staying():
            self.dismiss(max(staying, key=_resident_bytes))

    def dismiss(self, worker: WorkerProcess) -> None:
        """Let a child go as soon as its calls are answered."""
        worker.leaving = True
        if worker.calls_in_flight == 0:
            self._spawn(self._release(worker), "leave")

    async def dismiss_idle(self, spared: Callable[[WorkerProcess], bool]) -> int:
        """Let every child go that works on nothing and is not spared; return the resident bytes they had."""
        idle = [worker for worker in self.workers if worker.calls_in_flight == 0 and not spared(worker)]
        freed_bytes = sum(worker.resident_bytes for worker in idle)
        for worker in idle:
            worker.leaving = True
        await asyncio.gather(*(self._release(worker) for worker in idle))
        return freed_bytes

    async def close(self) -> None:
        """Let every child go, at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(self._release(worker) for worker in self.workers))
        await asyncio.gather(*(worker.stop() for worker in list(self._living)))

    def _staying(self) -> list[WorkerProcess]:
        return [worker for worker in self.workers if not worker.leaving]

    def _raise_concurrency(self, worker: WorkerProcess) -> bool:
        if worker.stopping or worker.concurrency >= self.spec.slots or not self.ledger.may_raise_concurrency(worker):
            return False
        worker.concurrency += 1
        return True

    def _recycle(self, worker: WorkerProcess) -> None:
        """Replace a child that has outgrown: the new one beside it if the ledger grants that, else after it."""
        logger.warning(
            "worker has outgrown its allowance and is replaced",
            extra={"role": self.spec.role, "pid": worker.pid, "rssBytes": worker.resident_bytes},
        )
        self.counters.recycled += 1
        worker.leaving = True
        self.grow()

    async def _start(self) -> None:
        try:
            worker = await self._open()
        except WorkerGone as error:
            logger.error("worker did not start: %s", error, extra={"role": self.spec.role})
            self.on_start_failed()
        else:
            self.workers.append(worker)
            self.ledger.started(worker)
            logger.info("worker started", extra={"role": self.spec.role, "pid": worker.pid})
            self._watch_idle(worker)
        self.on_change()

    async def _open(self) -> WorkerProcess:
        try:
            await asyncio.sleep(self.brake.backoff_seconds)
            self.counters.started += 1
            worker = WorkerProcess(self.spec, self._lose)
            worker.concurrency = self.ledger.first_concurrency(self.spec.slots)
            self._living.add(worker)
            await worker.open()
            return worker
        finally:
            self._starting -= 1

    def _lose(self, worker: WorkerProcess) -> None:
        """Forget a child that is gone, whether it was let go or died. Its calls end after this."""
        self._living.discard(worker)
        self.ledger.ended(worker)
        if not worker.released:
            self.brake.record_death()
            self.counters.died += 1
            logger.warning("worker died", extra={"role": self.spec.role, "pid": worker.pid})
        self._remove(worker)
        self.on_change()

    def _watch_idle(self, worker: WorkerProcess) -> None:
        self.keep(worker)
        loop = asyncio.get_running_loop()
        self._idle_timers[worker] = loop.call_later(self.spec.limits.idle_seconds, self.dismiss, worker)

    async def _release(self, worker: WorkerProcess) -> None:
        if worker in self.workers:
            self._remove(worker)
            await worker.stop()
            logger.info("worker let go", extra={"role": self.spec.role, "pid": worker.pid})

    def _remove(self, worker: WorkerProcess) -> None:
        self.keep(worker)
        if worker in self.workers:
            self.workers.remove(worker)

    def _spawn(self, work: Coroutine[None, None, None], what: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"{what}-{self.spec.role}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
