"""The children of one pool: started when needed, let go when idle, outgrown or not wanted, lost when they die."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from app.errors import BallastError, Overloaded, WorkerFailed
from app.workers.account import Account, Accounts
from app.workers.counters import CrewCounters
from app.workers.ending import Ending, WorkerGone
from app.workers.process import WorkerProcess
from app.workers.spec import WorkerSpec
from app.workers.surroundings import Surroundings

logger = logging.getLogger("ballast.workers")

T = TypeVar("T")


@dataclass(slots=True)
class Crew:
    """Starts children, each under an account of its own, and lets them go.

    `on_change` is called whenever a call might find a child, or must be told that it will not; `on_start_failed` when
    a child that was started for those in line did not start, before `on_change`.
    """

    spec: WorkerSpec
    accounts: Accounts
    surroundings: Surroundings
    on_change: Callable[[], None]
    on_start_failed: Callable[[BallastError], object]
    counters: CrewCounters = field(default_factory=CrewCounters, init=False)
    _loaded: list[WorkerProcess] = field(default_factory=list, init=False)
    _accounts: dict[WorkerProcess, Account] = field(default_factory=dict, init=False)
    _vacant: Account | None = field(default=None, init=False)
    _outgrown: set[WorkerProcess] = field(default_factory=set, init=False)
    _idle_timers: dict[WorkerProcess, asyncio.TimerHandle] = field(default_factory=dict, init=False)
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set, init=False)
    _starting: int = field(default=0, init=False)
    _closed: bool = field(default=False, init=False)

    @property
    def children(self) -> list[WorkerProcess]:
        """The children that are up and stay."""
        return [worker for worker in self._loaded if worker.stays]

    @property
    def size(self) -> int:
        """How many children are up or starting, and not leaving; one that was killed counts until it is reaped."""
        return sum(not worker.leaving for worker in self._loaded) + self._starting

    @property
    def is_working(self) -> bool:
        return any(worker.calls_in_flight for worker in self._loaded)

    @property
    def expects_nobody(self) -> bool:
        """Whether no child is there, and none comes by itself."""
        return self.size == 0 and not self._outgrown

    async def start(self, account: Account) -> WorkerProcess:
        """Start one child, and wait until it is loaded. Where that fails, or is cancelled, the account is closed.

        Raises:
            Overloaded: none may be started now.
            WorkerFailed: it did not start, or ended before it was loaded.
            BallastError: what building its handler raised.
        """
        if self._closed or self.surroundings.brake.closed_seconds > 0:
            account.close()
            raise Overloaded("No worker is started now.", retry_after_seconds=5)
        task = self._launch(account)
        task.add_done_callback(lambda _: self.on_change())
        try:
            return await task
        except WorkerGone as error:
            raise WorkerFailed("The worker could not be started.") from error
        except asyncio.CancelledError:
            if _has_result(task):
                self.dismiss(task.result())
            elif self._closed and not _is_cancelled():
                raise Overloaded("The service is shutting down.", retry_after_seconds=5) from None
            raise

    def grow(self) -> None:
        """Start one more child for those in line, if there is an account for it."""
        may_start = self.surroundings.brake.closed_seconds == 0 and not self._closed
        if may_start and not self._starting and self.size < self.spec.limits.workers:
            account = self._vacant or self.accounts.another()
            self._vacant = None
            if account is not None:
                self._launch(account).add_done_callback(self._report)

    def level(self) -> None:
        """Recall a call that was sent ahead to a busy child while another has nothing to do."""
        children = self.children
        if any(worker.calls_in_flight == 0 for worker in children):
            behind = next((worker for worker in children if worker.calls_in_flight > 1), None)
            if behind is not None:
                behind.recall()

    def keep(self, worker: WorkerProcess) -> None:
        """Do not let a child go for idleness: it has a call."""
        if (timer := self._idle_timers.pop(worker, None)) is not None:
            timer.cancel()

    def rest(self, worker: WorkerProcess) -> None:
        """Let a child go if it should, now that a call of it has ended, else watch how long it is idle."""
        if worker.stopping:
            return
        if not worker.leaving and self._accounts[worker].is_outgrown():
            self._replace(worker)
        if worker.calls_in_flight == 0:
            if worker.leaving:
                self._spawn(worker.stop(), "leave")
            else:
                self._watch_idle(worker)

    def dismiss(self, worker: WorkerProcess) -> None:
        """Let a child go as soon as its calls are answered; its account is closed then."""
        self._leave(worker)
        if worker.calls_in_flight == 0 and not worker.stopping:
            self._spawn(worker.stop(), "leave")

    async def dismiss_now(self, worker: WorkerProcess) -> None:
        """Let a child go at once, whatever it works on; it is reaped, and its account closed, on return."""
        self._leave(worker)
        await worker.stop()

    async def close(self) -> None:
        """Let every child go, at once. Every account is closed on return."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in list(self._accounts)))

    def _leave(self, worker: WorkerProcess) -> None:
        worker.leaving = True
        self._outgrown.discard(worker)
        self.keep(worker)

    def _replace(self, worker: WorkerProcess) -> None:
        """Replace a child that has outgrown: beside it if there is an account for that, else after it."""
        logger.warning(
            "worker has outgrown its allowance and is replaced",
            extra={"role": self.spec.role, "pid": worker.pid, "rssBytes": worker.resident_bytes},
        )
        self.counters.recycled += 1
        self._leave(worker)
        starting = self._starting
        self.grow()
        if self._starting == starting:
            self._outgrown.add(worker)

    def _launch(self, account: Account) -> asyncio.Task[WorkerProcess]:
        worker = WorkerProcess(self.spec, self.surroundings.launcher, self._lose, self.surroundings.clock)
        self._starting += 1
        task = self._spawn(self._open(worker, account), "start")
        task.add_done_callback(partial(self._end_launch, worker, account))
        return task

    async def _open(self, worker: WorkerProcess, account: Account) -> WorkerProcess:
        await asyncio.sleep(self.surroundings.brake.backoff_seconds)
        began = self.surroundings.clock()
        await worker.start()
        self.counters.started += 1
        self._accounts[worker] = account
        account.opened(worker)
        await worker.open()
        account.loaded(worker)
        ready_seconds = self.surroundings.clock() - began
        self.surroundings.tally.ready_seconds.observe(ready_seconds)
        extra = {"role": self.spec.role, "pid": worker.pid, "readySeconds": round(ready_seconds, 3)}
        logger.info("worker started", extra=extra)
        return worker

    def _end_launch(self, worker: WorkerProcess, account: Account, task: asyncio.Task[WorkerProcess]) -> None:
        self._starting -= 1
        if _has_result(task) and worker.ending is None:
            self._loaded.append(worker)
            self._watch_idle(worker)
        elif not worker.pid:  # one that had a process gives its account back when it is reaped
            account.close()

    def _report(self, task: asyncio.Task[WorkerProcess]) -> None:
        """A child was started for those in line: where it is not there now, the first of them is told."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("worker did not start: %s", error, extra={"role": self.spec.role})
            public = error if isinstance(error, BallastError) else WorkerFailed("The worker could not be started.")
            self.on_start_failed(public)
        self.on_change()

    def _lose(self, worker: WorkerProcess) -> None:
        """Forget a child that is reaped. Its account serves a successor if calls wait, or if it had but outgrown."""
        account = self._accounts.pop(worker)
        is_outgrown = worker in self._outgrown
        may_follow = worker in self._loaded and (is_outgrown or not worker.leaving)
        self._leave(worker)
        self._loaded = [other for other in self._loaded if other is not worker]
        self._blame(worker)
        account.ended(worker)
        self._vacant = account if may_follow else None
        worker.abandon_calls()
        self.on_change()
        if is_outgrown and self._vacant is not None:
            self.grow()
        is_taken = may_follow and self._vacant is None
        self._vacant = None
        if not is_taken:
            account.close()

    def _blame(self, worker: WorkerProcess) -> None:
        """Count a death, and a crash against the input of the call in work."""
        assert worker.ending is not None
        self.surroundings.tally.endings[worker.ending] += 1
        extra = {"role": self.spec.role, "pid": worker.pid, "ending": worker.ending.name.lower()}
        if worker.ending is Ending.RELEASED:
            logger.info("worker let go", extra=extra)
            return
        self.counters.died += 1
        logger.warning("worker died", extra=extra)
        if worker.ending is Ending.CRASH:
            self.surroundings.count_crash(worker.call_in_work)

    def _watch_idle(self, worker: WorkerProcess) -> None:
        self.keep(worker)
        loop = asyncio.get_running_loop()
        self._idle_timers[worker] = loop.call_later(self.spec.limits.idle_seconds, self.dismiss, worker)

    def _spawn(self, work: Coroutine[None, None, T], what: str) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work, name=f"{what}-{self.spec.role}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _is_cancelled() -> bool:
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0


def _has_result(task: asyncio.Task[Any]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
