"""A cache in a test's folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from app.derived.cache import DerivedCache
from app.derived.shelf import Shelf
from app.domain.units import MIB
from app.memory.budget import MemoryBudget
from app.memory.cache import Cache, CacheKey
from app.storage.space import DiskSpace
from app.storage.threads import DiskThreads

ITEM, OTHER = "i" + "0" * 21, "i" + "1" * 21


def key(name: str, subject: str = ITEM) -> CacheKey:
    return CacheKey("test", subject, name)


@dataclass
class Place:
    """`folder` is where the files are; `free_bytes` is what the disk says it has."""

    folder: Path
    space: DiskSpace
    shelf: Shelf
    memory: Cache
    cache: DerivedCache

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file())


@asynccontextmanager
async def opened(
    folder: Path, *, limit_bytes: int = 10_000, quota_bytes: int | None = None, memory_bytes: int = 8 * MIB
) -> AsyncIterator[Place]:
    """Give a cache whose files lie in `folder`; what is in memory is gone afterwards."""

    async def free_bytes() -> int:
        return 1 << 40

    disk, space = DiskThreads(2), DiskSpace(free_bytes, quota_bytes, 0)
    budget = MemoryBudget(64 * MIB, working_set=lambda: 0)
    memory, shelf = Cache(memory_bytes, budget), Shelf(folder, limit_bytes, space, disk)
    try:
        await shelf.open()
        yield Place(folder, space, shelf, memory, DerivedCache(memory, shelf, disk))
    finally:
        memory.close()
        await disk.aclose()
        budget.check_empty()
