"""One call on its way through a pool."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import anyio

from app.domain.priority import Priority
from app.workers.channel import Message
from app.workers.reply import Reply


@dataclass(slots=True, eq=False)
class Call:
    """`nbytes` is its weight in the line, where every call counts the same.

    `submitted`, `started` (0: never given to a child) are times of the pool's clock; `attempts` counts the children
    that worked on it.
    """

    message: Message
    deadline_seconds: float
    repeatable: bool
    priority: Priority
    client: str
    result: asyncio.Future[Reply]
    submitted: float
    nbytes: int = 1
    started: float = 0.0
    attempts: int = 0
    _held: asyncio.Future[None] | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether anybody still waits for its result."""
        return not self.result.done()

    def give(self, now: float) -> None:
        """A child has it."""
        self.started = now
        self._held = self.result.get_loop().create_future()

    def begin(self, now: float) -> None:
        """The child works on it: from now on it may be what that dies of."""
        self.started = now
        self.attempts += 1

    def give_up(self) -> None:
        """The child has it no more: it was answered or recalled, or the child is gone."""
        if self._held is not None and not self._held.done():
            self._held.set_result(None)

    async def released(self) -> None:
        """Wait until no child has it, whoever cancels meanwhile: its bytes are the call's until then.

        Both a task's `cancel` and a cancel scope of anyio are outlasted; the deadline of the call bounds the wait.
        """
        held = self._held
        if held is None or held.done():
            return
        with anyio.CancelScope(shield=True):
            while not held.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([held])
