"""The libraries, opened: what every capability is given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from app.derived.cache import DerivedCache
from app.memory.allowance import Allowance
from app.memory.governor import Governor
from app.memory.limit import MemoryLimit
from app.server.lifecycle import Lifecycle
from app.server.traffic import Traffic
from app.settings import Settings
from app.storage.store import MediaStore
from app.storage.threads import DiskThreads


@dataclass(frozen=True, slots=True)
class Core:
    """What is there once for the whole service; lives as long as the application."""

    settings: Settings
    limit: MemoryLimit
    lifecycle: Lifecycle
    traffic: Traffic
    governor: Governor
    unfinished: Allowance
    cache: DerivedCache
    disk: DiskThreads
    store: MediaStore
    tasks: asyncio.TaskGroup

    @asynccontextmanager
    async def background(self, work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
        """Run `work()` beside the block, and end it with the block. An error of its own ends the service."""
        task = self.tasks.create_task(work(), name=work.__qualname__)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait((task,))
