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
from app.memory.budget import MemoryBudget
from app.settings import StorageSettings, UploadSettings
from app.storage.ages import Ages
from app.storage.backends.local import LocalStore
from app.storage.records import StageRecords
from app.storage.stagefiles import StageFiles
from app.storage.staging import Staging
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
    storage_settings = StorageSettings(root=root, **{"free_floor": 0, "fsync": False, **(storage or {})})
    store = store_type(storage_settings, disk)
    settings = UploadSettings(**{"max_bytes": 10_000_000, "inline_max_bytes": 1000, **(upload or {})})
    await store.open()
    try:
        budget = budget or MemoryBudget(1 << 30, working_set=lambda: 0)
        ages = Ages(root / "state" / "ages.json")
        if machine is not None:
            ages = Ages(root / "state" / "ages.json", machine.clock, machine.boot_file)
        records = StageRecords(budget)
        files = StageFiles(root / "staging", synced=False)
        staging = Staging(files, disk, store.space, records, ages, settings.digest)
        await staging.open()
        transfers = Transfers(budget, lambda: ProcessingMode.FULL_QUALITY)
        locks = UploadLocks(stalled_seconds=0.1, wait_seconds=wait_seconds)
        shares = UploadShares(settings.max_resumable, storage_settings.client_share, max_finished=8)
        assembly = Assembly(staging, store, Uploads(store, settings))
        house = House(store, staging, Resumable(staging, assembly, transfers, locks, shares, settings), budget)
        try:
            yield house
        finally:
            if is_killed:
                records.aclose()
            else:
                await staging.aclose()
        budget.check_empty()
    finally:
        await store.aclose()
        await disk.aclose()


async def give(*pieces: bytes, end: Exception | None = None) -> AsyncIterator[bytes]:
    """Give pieces as a body does; `end` is what breaks it."""
    for piece in pieces:
        yield piece
    if end is not None:
        raise end


def files_below(folder: Path) -> Iterable[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
