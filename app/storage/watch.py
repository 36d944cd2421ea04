"""Looks now and then whether the disk takes a write, how much room it has, and whether the store answers.

What it found is read by probes and metrics, which neither wait nor ask the disk themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.errors import StorageUnavailable
from app.rounds import go_round
from app.settings import StorageSettings
from app.storage.space import LEAST_STEP_BYTES
from app.storage.store import MediaStore

logger = logging.getLogger("ballast.storage")

_FAILURES = 2
"""How many times in a row the store must not answer, before that is said."""

_STORE_EVERY = 3
"""In every how many looks a store that answers is asked: object stores count requests."""

_FULL = "the disk has no more room than its floor (BALLAST_STORAGE__FREE_FLOOR)"
_NO_FILES = "the disk has no inodes left"
_HANGS = "the disk does not answer"
_AWAY = "the object store does not answer"


@dataclass(frozen=True, slots=True)
class DiskState:
    """A file system as statvfs(3) tells it; without inodes of a fixed number, both counts are 0.

    `refusal` says why it took no write, None where it did.
    """

    total_bytes: int
    free_bytes: int
    total_inodes: int
    free_inodes: int
    refusal: str | None = None


class StorageWatch:
    """Looks each `watch_seconds`; the disk hangs if a look is not over two of these later."""

    def __init__(
        self, store: MediaStore, settings: StorageSettings, look: Callable[[Path, bool], DiskState] | None = None
    ) -> None:
        self._store = store
        self._settings = settings
        self._look = look or look_at
        self._began: float | None = None  # of a look that goes on
        self._rounds = 0
        self._failures = 0
        self._told: list[str] = []
        self.disk: DiskState | None = None
        """As it was the last time; None before the first look is over."""

    @property
    def disk_hangs(self) -> bool:
        if self._began is None:
            return False
        return asyncio.get_running_loop().time() - self._began >= 2 * self._settings.watch_seconds

    @property
    def disk_is_full(self) -> bool:
        """Whether there is no room above the floor, or no inode."""
        return self.disk is not None and bool({_FULL, _NO_FILES} & {*_shortages(self.disk, self._settings.free_floor)})

    @property
    def store_is_away(self) -> bool:
        return self._failures >= _FAILURES

    def troubles(self) -> list[str]:
        """Return why nothing can be stored, if so: no system call is made."""
        found = [_HANGS] if self.disk_hangs else []
        if self.disk is not None:
            found += _shortages(self.disk, self._settings.free_floor)
        return [*found, _AWAY] if self.store_is_away else found

    async def run(self) -> None:
        """Look until cancelled."""
        works = {"a look at the disk": self._begin, "a look at the store": self._ask, "telling of it": self._tell}
        await go_round(works, lambda: self._settings.watch_seconds, logger)

    def _begin(self) -> None:
        """Begin a look in a thread of its own, which nobody waits for; none while one goes on."""
        if self._began is not None:
            return
        loop = asyncio.get_running_loop()
        self._began = loop.time()

        def run() -> None:
            try:
                found: DiskState | None = self._look(self._store.root, self._settings.fsync)
            except OSError as error:
                logger.warning("the disk cannot be looked at: %s", error.strerror)
                found = None
            with contextlib.suppress(RuntimeError):  # the loop has not waited for us
                loop.call_soon_threadsafe(self._end, found)

        threading.Thread(target=run, name="ballast-watch", daemon=True).start()

    def _end(self, found: DiskState | None) -> None:
        self._began = None
        self.disk = found

    async def _ask(self) -> None:
        self._rounds += 1
        if not self._failures and self._rounds % _STORE_EVERY != 1:
            return
        try:
            async with asyncio.timeout(max(1.0, self._settings.watch_seconds)):
                await self._store.ask()
        except (StorageUnavailable, TimeoutError):
            self._failures += 1
        else:
            self._failures = 0

    def _tell(self) -> None:
        troubles = self.troubles()
        if troubles != self._told:
            level = logging.WARNING if troubles else logging.INFO
            logger.log(level, "nothing can be stored" if troubles else "storage is well", extra={"reasons": troubles})
            self._told = troubles


def look_at(root: Path, synced: bool) -> DiskState:
    """Write a byte where it stood before, and ask how full the file system is. Blocks for as long as the disk does.

    Raises:
        OSError: the file system does not say.
    """
    found = os.statvfs(root)
    return DiskState(
        found.f_blocks * found.f_frsize,
        found.f_bavail * found.f_frsize,
        found.f_files,
        found.f_favail,
        _write(root / "state" / "watch", synced),
    )


def _write(path: Path, synced: bool) -> str | None:
    """Return why a byte cannot be written, None where it can, and on a full disk: that is told by the numbers."""
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(fd, b"\n", 0)
            if synced:
                os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return None if full else f"the disk takes no writes: {(error.strerror or 'unknown').lower()}"
    return None


def _shortages(disk: DiskState, floor_bytes: int) -> list[str]:
    found = [] if disk.refusal is None else [disk.refusal]
    if disk.free_bytes - floor_bytes < LEAST_STEP_BYTES:
        found.append(_FULL)
    if disk.total_inodes and not disk.free_inodes:
        found.append(_NO_FILES)
    return found
