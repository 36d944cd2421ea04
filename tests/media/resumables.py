"""Resumable uploads without HTTP, for tests: a store and what belongs to it, which can be killed and started again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.domain.pressure import ProcessingMode
from app.media.assembly import Assembly
from app.media.locks import UploadLocks
from app.media.resumable import Resumable
from app.media.shares import UploadShares
from app.media.transfers import Transfers
from app.media.uploads import Uploads
from app.memory.allowance import Allowance
from app.memory.budget import MemoryBudget
from app.settings import StorageSettings, UploadSettings
from app.storage.ages import Ages
from app.storage.backends.local import LocalStore
from app.storage.records import StageRecords
from app.storage.stagefiles import StageFiles
from app.storage.staging import Staging
from app.storage.store import MediaStore
from app.storage.threads import DiskThreads


class Machine:
    """What an upload is on, seen over all runs: its clock and the boot that it counts from."""

    def __init__(self, folder: Path) -> None:
        self.seconds = 1000.0
        self.boot_file = folder / "boot_id"
        self.boot("first")

    def clock(self) -> float:
        return self.seconds

    def boot(self, name: str) -> None:
        """Begin to count anew, as after a boot."""
        self.seconds = 5.0
        self.boot_file.write_text(name)


class House:
    """One run of the service, as far as resumable uploads are concerned."""

    def __init__(self, store: LocalStore, staging: Staging, resumable: Resumable, budget: MemoryBudget) -> None:
        self.store = store
        self.staging = staging
        self.resumable = resumable
        self.budget = budget


@asynccontextmanager
async def opened(
    root: Path,
    *,
    storage: dict[str, Any] | None = None,
    upload: dict[str, Any] | None = None,
    store_type: type[LocalStore] = LocalStore,
    wait_seconds: float = 10.0,
    machine: Machine | None = None,
    budget: MemoryBudget | None = None,
    is_killed: bool = False,
) -> AsyncIterator[House]:
    """Start on a root as the service does; leaving the block keeps what is staged, as any end does.

    A run that `is_killed` does nothing at its end.
    """
    disk = DiskThreads()
    settings = StorageSettings(root=root, **{"free_floor": 0, "fsync": False, **(storage or {})})
    store = store_type(settings, disk)
    limits = UploadSettings(**{"max_bytes": 10_000_000, "inline_max_bytes": 1000, **(upload or {})})
    ages_path = root / "state" / "ages.json"
    ages = Ages(ages_path) if machine is None else Ages(ages_path, machine.clock, machine.boot_file)
    budget = budget or MemoryBudget(1 << 30, working_set=lambda: 0)
    records = StageRecords(budget)
    staging = Staging(StageFiles(root / "staging", synced=False), disk, store.space, records, ages, limits.digest)
    await store.open()
    try:
        await staging.open()
        resumable = build(staging, store, budget, limits, settings.client_share, wait_seconds)
        try:
            yield House(store, staging, resumable, budget)
        finally:
            if is_killed:
                records.aclose()
            else:
                await staging.aclose()
        budget.check_empty()
    finally:
        await store.aclose()
        await disk.aclose()


def build(
    staging: Staging,
    store: MediaStore,
    budget: MemoryBudget,
    limits: UploadSettings,
    client_share: float = 0.25,
    wait_seconds: float = 10.0,
) -> Resumable:
    """Build what the service builds on a store of any kind; it remembers eight finished uploads."""
    transfers = Transfers(budget, Allowance(lambda: budget.total_bytes), lambda: ProcessingMode.FULL_QUALITY)
    locks = UploadLocks(stalled_seconds=0.1, wait_seconds=wait_seconds)
    shares = UploadShares(limits.max_resumable, client_share, max_finished=8)
    return Resumable(staging, Assembly(staging, store, Uploads(store, limits)), transfers, locks, shares, limits)


async def give(*pieces: bytes, end: Exception | None = None) -> AsyncIterator[bytes]:
    """Give pieces as a body does; `end` is what breaks it."""
    for piece in pieces:
        yield piece
    if end is not None:
        raise end


def files_below(folder: Path) -> Iterable[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
