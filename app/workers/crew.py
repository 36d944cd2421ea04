"""The children of one pool: started when needed, let go when idle, outgrown or not wanted, lost when they die."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Protocol

from app.workers.brake import RestartBrake
from app.workers.process import WorkerGone, WorkerProcess, WorkerSpec

logger = logging.getLogger("ballast.workers")


class WorkerLedger(Protocol):
    """Who answers for the memory of the children."""

    def allowed(self, configured: int) -> int:
        """Return how many children of the `configured` number there may be now; 0: none may be started."""
        ...

    def may_grow(self) -> bool:
        """Whether there is memory for a child beside those that are there (the first is never asked for)."""
        ...

    def first_width(self, slots: int) -> int:
        """Return how many calls of `slots` a new child may work on at a time."""
        ...

    def may_widen(self, worker: WorkerProcess) -> bool:
        """Whether there is memory for a child to work on one call more at a time."""
        ...

    def is_outgrown(self, worker: WorkerProcess) -> bool:
        """Whether a child holds more than it should between two calls, and is to be replaced."""
        ...

    def started(self, worker: WorkerProcess) -> None: ...

    def ended(self, worker: WorkerProcess) -> None: ...


class FreeLedger:
    """For pools whose children nobody accounts for."""

    def allowed(self, configured: int) -> int:
        return configured

    def may_grow(self) -> bool:
        return True

    def first_width(self, slots: int) -> int:
        return slots

    def may_widen(self, worker: WorkerProcess) -> bool:  # noqa: ARG002 - the form of a ledger
        return True

    def is_outgrown(self, worker: WorkerProcess) -> bool:  # noqa: ARG002 - the form of a ledger
        return False

    def started(self, worker: WorkerProcess) -> None:
        pass

    def ended(self, worker: WorkerProcess) -> None:
        pass


@dataclass(slots=True)
class CrewCounters:
    """`died` ended without being asked to, `recycled` were replaced because they had outgrown."""

    started: int = 0
    died: int = 0
    recycled: int = 0


@dataclass(slots=True, eq=False)
class Seat:
    """A place for one child: the child when it is there, and the timer that lets it go when idle.

    A seat that is `leaving` gets no more calls; its child goes when those it has are answered.
    """

    worker: WorkerProcess | None = None
    leaving: bool = False
    idle_timer: asyncio.TimerHandle | None = None

    @property
    def calls(self) -> int:
        return self.worker.calls_in_flight if self.worker is not None else 0

    @property
    def free_slots(self) -> int:
        return 0 if self.leaving or self.worker is None else self.worker.free_slots

    @property
    def free_ahead(self) -> int:
        return 0 if self.leaving or self.worker is None else self.worker.free_ahead

    def stay(self) -> None:
        """Forget that the child was about to be let go for idleness."""
        if self.idle_timer is not None:
            self.idle_timer.cancel()
            self.idle_timer = None


@dataclass(slots=True)
class Crew:
    """Fills and empties seats. `on_change` is called whenever a call might find a place or must be told that it won't.

    `on_start_failed` is called when a child could not be started, before `on_change`.
    """

    spec: WorkerSpec
    workers_max: int
    idle_seconds: float
    ledger: WorkerLedger
    brake: RestartBrake
    on_change: Callable[[], None]
    on_start_failed: Callable[[], None]
    counters: CrewCounters = field(default_factory=CrewCounters)
    seats: list[Seat] = field(default_factory=list)
    _living: set[WorkerProcess] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def workers(self) -> list[WorkerProcess]:
        """The children that are up."""
        return [seat.worker for seat in self.seats if seat.worker is not None]

    @property
    def may_start(self) -> bool:
        """Whether there may be any child at all now."""
        return self.ledger.allowed(self.workers_max) > 0

    def seat_with(self, room: Callable[[Seat], int]) -> Seat | None:
        """Return a seat that has `room` for a call: the one with the fewest."""
        return min((seat for seat in self.seats if room(seat) > 0), key=lambda seat: seat.calls, default=None)

    def level(self) -> None:
        """Ask a busy child for a call back that waits in it while another child has a free slot."""
        if any(seat.free_slots > 0 for seat in self.seats):
            behind = next((seat.worker for seat in self.seats if seat.worker is not None and seat.free_slots < 0), None)
            if behind is not None:
                behind.recall()

    def seat_of(self, pid: int) -> Seat | None:
        """Return the seat of the child with this process id, if it stays."""
        return next((seat for seat in self.seats if not seat.leaving and seat.worker and seat.worker.pid == pid), None)

    def grow(self) -> None:
        """Have a child work on one more call at a time, or start one more child, if the memory for it is granted."""
        staying = [seat for seat in self.seats if not seat.leaving]
        if any(self._widen(seat) for seat in staying):
            return
        if any(seat.worker is None for seat in staying) or self.brake.closed_seconds > 0:
            return
        if len(staying) >= self.ledger.allowed(self.workers_max) or (self.seats and not self.ledger.may_grow()):
            return
        seat = Seat()
        self.seats.append(seat)
        self._spawn(self._start(seat), "start")

    def _widen(self, seat: Seat) -> bool:
        worker = seat.worker
        if worker is None or worker.stopping or worker.width >= self.spec.slots or not self.ledger.may_widen(worker):
            return False
        worker.width += 1
        return True

    def rest(self, seat: Seat) -> None:
        """A call has ended: let the child go if it should, else watch how long it is idle."""
        if seat.worker is None or seat.worker.stopping:
            return
        if not seat.leaving and self.ledger.is_outgrown(seat.worker):
            self._recycle(seat)
        if seat.calls == 0:
            if seat.leaving:
                self._spawn(self._vacate(seat), "leave")
            else:
                self._watch_idle(seat)

    def shrink(self) -> None:
        """Let the children go that are more than allowed, the largest first."""
        staying = [seat for seat in self.seats if not seat.leaving and seat.worker is not None]
        surplus = len(staying) - self.ledger.allowed(self.workers_max)
        for seat in sorted(staying, key=_resident_bytes, reverse=True)[: max(0, surplus)]:
            self.dismiss(seat)

    def dismiss_largest(self) -> None:
        """Let the largest child go."""
        staying = [seat for seat in self.seats if not seat.leaving and seat.worker is not None]
        if staying:
            self.dismiss(max(staying, key=_resident_bytes))

    def dismiss(self, seat: Seat) -> None:
        """Let a child go as soon as its calls are answered."""
        seat.leaving = True
        if seat.calls == 0:
            self._spawn(self._vacate(seat), "leave")

    async def vacate_idle(self, spared: Callable[[WorkerProcess], bool]) -> int:
        """Let every child go that works on nothing and is not spared; return the resident bytes they had."""
        idle = [seat for seat in self.seats if seat.worker is not None and seat.calls == 0]
        idle = [seat for seat in idle if seat.worker is not None and not spared(seat.worker)]
        freed_bytes = sum(_resident_bytes(seat) for seat in idle)
        for seat in idle:
            seat.leaving = True
        await asyncio.gather(*(self._vacate(seat) for seat in idle))
        return freed_bytes

    async def close(self) -> None:
        """Let every child go, at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(self._vacate(seat) for seat in list(self.seats)))
        await asyncio.gather(*(worker.stop() for worker in list(self._living)))

    def _recycle(self, seat: Seat) -> None:
        """Replace a child that has outgrown: the new one beside it if the ledger grants that, else after it."""
        assert seat.worker is not None
        logger.warning(
            "worker has outgrown its allowance and is replaced",
            extra={"role": self.spec.role, "pid": seat.worker.pid, "rssBytes": seat.worker.resident_bytes},
        )
        self.counters.recycled += 1
        seat.leaving = True
        self.grow()

    async def _start(self, seat: Seat) -> None:
        try:
            await asyncio.sleep(self.brake.backoff_seconds)
            self.counters.started += 1
            worker = WorkerProcess(self.spec, lambda worker: self._lose(seat, worker))
            worker.width = self.ledger.first_width(self.spec.slots)
            self._living.add(worker)
            await worker.open()
            seat.worker = worker
        except WorkerGone as error:
            logger.error("worker did not start: %s", error, extra={"role": self.spec.role})
            self._remove(seat)
            self.on_start_failed()
        except BaseException:
            self._remove(seat)
            raise
        else:
            self.ledger.started(seat.worker)
            logger.info("worker started", extra={"role": self.spec.role, "pid": seat.worker.pid})
            self._watch_idle(seat)
        self.on_change()

    def _lose(self, seat: Seat, worker: WorkerProcess) -> None:
        """A child is gone, whether it was let go or died. Its calls are told after this."""
        self._living.discard(worker)
        self.ledger.ended(worker)
        if not worker.released:
            self.brake.record_death()
            self.counters.died += 1
            logger.warning("worker died", extra={"role": self.spec.role, "pid": worker.pid})
        if seat.worker is worker:
            self._remove(seat)
        self.on_change()

    def _watch_idle(self, seat: Seat) -> None:
        seat.stay()
        seat.idle_timer = asyncio.get_running_loop().call_later(self.idle_seconds, self.dismiss, seat)

    async def _vacate(self, seat: Seat) -> None:
        self._remove(seat)
        worker, seat.worker = seat.worker, None
        if worker is not None:
            await worker.stop()
            logger.info("worker let go", extra={"role": self.spec.role, "pid": worker.pid})

    def _remove(self, seat: Seat) -> None:
        seat.stay()
        if seat in self.seats:
            self.seats.remove(seat)

    def _spawn(self, work: Coroutine[None, None, None], what: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"{what}-{self.spec.role}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _resident_bytes(seat: Seat) -> int:
    return seat.worker.resident_bytes if seat.worker is not None else 0
