"""Resumable uploads without HTTP, for tests: a store and what belongs to it, which can be killed and started again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.domain.pressure import ProcessingMode
from app.media.locks import UploadLocks
from app.media.resumable import Resumable
from app.media.transfers import Transfers
from app.media.uploads import Uploads
from app.memory.budget import MemoryBudget
from app.settings import StorageSettings, UploadSettings
from app.storage.backends.local import LocalStore
from app.storage.staging import Staging
from app.storage.store import MediaStore
from app.storage.threads import DiskThreads


class House:
    """One run of the service, as far as resumable uploads are concerned."""

    def __init__(self, store: LocalStore, staging: Staging, resumable: Resumable) -> None:
        self.store = store
        self.staging = staging
        self.resumable = resumable


@asynccontextmanager
async def opened(
    root: Path,
    *,
    storage: dict[str, Any] | None = None,
    upload: dict[str, Any] | None = None,
    store_type: type[LocalStore] = LocalStore,
    wait_seconds: float = 10.0,
) -> AsyncIterator[House]:
    """Start on a root as the service does; leaving the block keeps what is staged, as any end does."""
    disk = DiskThreads()
    store = store_type(StorageSettings(root=root, **{"free_floor": 0, "fsync": False, **(storage or {})}), disk)
    settings = UploadSettings(**{"max_bytes": 10_000_000, "inline_max_bytes": 1000, **(upload or {})})
    await store.open()
    try:
        staging = Staging(root / "staging", disk, store.space, settings.digest, synced=False)
        await staging.open()
        budget = MemoryBudget(1 << 30, working_set=lambda: 0)
        locks = UploadLocks(stalled_seconds=0.1, wait_seconds=wait_seconds)
        media: MediaStore = store
        yield House(
            store,
            staging,
            Resumable(
                staging, media, Uploads(store, settings), Transfers(budget, lambda: ProcessingMode.FULL_QUALITY), locks
            ),
        )
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
