"""Pools of real children for the tests, and waiting for what they do."""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.domain.priority import Priority
from app.workers.channel import Message
from app.workers.launch import PlainLauncher
from app.workers.launcher import Launcher
from app.workers.pool import WorkerPool
from app.workers.reply import Reply
from app.workers.spec import PoolLimits, WorkerSpec
from app.workers.surroundings import Surroundings
from tests.workers.accounts import Ledger

PATIENCE_SECONDS = 10.0
"""Until a test gives up waiting for what should happen at once."""


def probe_spec(**changes: Any) -> WorkerSpec:
    """Return the spec of a child with `entries.Probe`, which tells the tests by files; `changes` replace its fields."""
    spec = WorkerSpec(role="test", entry="tests.workers.entries:build", writes=(Path(tempfile.gettempdir()),))
    return dataclasses.replace(spec, **changes)


@asynccontextmanager
async def open_pool(
    launcher: Launcher | None = None,
    *,
    limits: PoolLimits | None = None,
    ledger: Ledger | None = None,
    surroundings: Surroundings | None = None,
    **spec: Any,
) -> AsyncIterator[WorkerPool]:
    """Give a pool of `entries.Probe` children for the block; it is closed afterwards, and so are their accounts.

    Children are started plainly if nothing else is said; `ledger` has accounts for as many as there may be.
    """
    ledger = ledger or Ledger()
    surroundings = surroundings or Surroundings.around(launcher or PlainLauncher())
    pool = WorkerPool(probe_spec(limits=limits or PoolLimits(), **spec), ledger, surroundings)
    try:
        yield pool
    finally:
        await pool.close()
    assert ledger.open_accounts == []


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

    def __init__(
        self, pool: WorkerPool, folder: Path, name: str = "held", *, payload: bytes = b"", **options: Any
    ) -> None:
        self._path = folder / name
        self.reply = ask(pool, "hold", payload, name=str(self._path), **options)

    @property
    def has_begun(self) -> bool:
        return self._path.with_suffix(".begun").exists()

    async def begun(self) -> int:
        """Wait until a child works on it; return its process id."""
        mark = self._path.with_suffix(".begun")
        await until(lambda: mark.exists() and mark.read_text() != "")
        return int(mark.read_text())

    def forget_begun(self) -> None:
        """Wait anew with the next `begun`: the call will be repeated."""
        self._path.with_suffix(".begun").unlink()

    def release(self) -> None:
        self._path.with_suffix(".release").touch()


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
