"""A call to a child on its way through the pool, and its reply."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from app.domain.priority import Priority
from app.workers.channel import Head


@dataclass(frozen=True, slots=True)
class Reply:
    """What a child answered. `peak_bytes` is None where other calls ran beside this one."""

    head: Head
    payload: bytes
    pid: int
    queued_seconds: float
    peak_bytes: int | None


@dataclass(slots=True, eq=False)
class Call:
    """A call on its way; `nbytes` is its weight in the line, where every call counts the same."""

    head: Head
    payload: bytes
    deadline_seconds: float
    repeatable: bool
    priority: Priority
    client: str
    pid: int | None
    result: asyncio.Future[Reply]
    submitted: float
    nbytes: int = 1
    started: float = 0.0
    attempts: int = 0
