"""Pools of real children for the tests, and waiting for what they do."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.domain.priority import Priority
from app.workers.channel import Message
from app.workers.pool import WorkerPool
from app.workers.process import WorkerProcess
from app.workers.reply import Reply
from app.workers.spec import PoolLimits, WorkerSpec

PATIENCE_SECONDS = 10.0
"""Until a test gives up waiting for what should happen at once."""


def probe_spec(**changes: Any) -> WorkerSpec:
    """Return the spec of a child with `entries.Probe`; `changes` replace its fields."""
    return dataclasses.replace(WorkerSpec(role="test", entry="tests.workers.entries:build"), **changes)


@asynccontextmanager
async def open_pool(
    *,
    workers: int = 1,
    waiting: int = 256,
    idle_seconds: float = 300.0,
    wait_seconds: float = 30.0,
    ledger: Any | None = None,
    clock: Callable[[], float] = time.monotonic,
    **spec: Any,
) -> AsyncIterator[WorkerPool]:
    """Give a pool of `entries.Probe` children for the block; it is closed afterwards."""
    limits = PoolLimits(workers=workers, idle_seconds=idle_seconds, waiting=waiting, wait_seconds=wait_seconds)
    pool = WorkerPool(probe_spec(limits=limits, **spec), ledger or Ledger(), clock)
    try:
        yield pool
    finally:
        await pool.close()


def ask(
    pool: WorkerPool,
    do: str,
    payload: bytes = b"",
    *,
    deadline: float = PATIENCE_SECONDS,
    repeatable: bool = True,
    priority: Priority = Priority.REQUEST,
    client: str = "",
    **head: object,
) -> asyncio.Task[Reply]:
    """Have a child of `pool` do something; the call is made when the test next waits for anything."""
    call = pool.call(
        Message({"do": do, **head}, payload),
        deadline_seconds=deadline,
        repeatable=repeatable,
        priority=priority,
        client=client,
    )
    return asyncio.create_task(call)


class Held:
    """A call that works until it is released."""

    def __init__(self, pool: WorkerPool, folder: Path, name: str = "held", **options: Any) -> None:
        self._path = folder / name
        self.reply = ask(pool, "hold", name=str(self._path), **options)

    @property
    def has_begun(self) -> bool:
        return self._path.with_suffix(".begun").exists()

    async def begun(self) -> int:
        """Wait until a child works on it; return its process id."""
        mark = self._path.with_suffix(".begun")
        await until(lambda: mark.exists() and mark.read_text() != "")
        return int(mark.read_text())

    def release(self) -> None:
        self._path.with_suffix(".release").touch()


class Ledger:
    """Notes what a pool tells it; lets it grow or not, up to `allowed_workers`, and finds `outgrown_pids` too large."""

    def __init__(self, *, may_grow: bool = True, allowed_workers: int = 64) -> None:
        self.grows = may_grow
        self.allowed_workers = allowed_workers
        self.asked = 0
        self.outgrown_pids: set[int] = set()
        self.started_pids: list[int] = []
        self.ended_pids: list[int] = []

    def allowed(self, configured: int) -> int:
        return min(configured, self.allowed_workers)

    def first_concurrency(self, slots: int) -> int:
        return slots

    def may_raise_concurrency(self, worker: WorkerProcess) -> bool:  # noqa: ARG002 - part of the interface
        return True

    def is_outgrown(self, worker: WorkerProcess) -> bool:
        return worker.pid in self.outgrown_pids

    def may_grow(self) -> bool:
        self.asked += 1
        return self.grows

    def started(self, worker: WorkerProcess) -> None:
        self.started_pids.append(worker.pid)

    def ended(self, worker: WorkerProcess) -> None:
        self.ended_pids.append(worker.pid)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds; fail if it does not in a time that is long for anything here."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what it waits for happens in another process
            await asyncio.sleep(0.005)


async def answered(call: asyncio.Task[Reply]) -> Reply:
    """Return the answer; fail where it does not come, instead of waiting as long as the call would."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await call


def is_gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX"
