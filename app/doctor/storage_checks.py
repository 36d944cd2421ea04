"""What media is kept on, as `ballast doctor` sees it: the disk is written to, the storage back end is asked."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from app.domain.check import Check, failed, passed, warned
from app.domain.units import MIB
from app.settings import StorageSettings
from app.storage.discovery import find_backend
from app.storage.files import sync
from app.storage.filesystem import UnusableRoot, file_system_type, free_bytes, nearest_existing, refuse_memory

_TRIAL_BYTES = MIB
_SLOW_SECONDS = 1.0
_HUNG_SECONDS = 15.0


def check_storage(settings: StorageSettings) -> Iterator[Check]:
    root = settings.root.absolute()
    ground = nearest_existing(root)
    yield _check_root(root, ground)
    yield _check_file_system(root, settings.allow_tmpfs)
    yield _check_free_space(ground, settings.free_floor)


def check_backend(settings: StorageSettings) -> Iterator[Check]:
    """Yield what the storage back end has to tell."""
    try:
        backend = find_backend(settings)
    except UnusableRoot as error:
        yield failed("storage back end", str(error), "set BALLAST_STORAGE__BACKEND to one of them")
    else:
        yield from backend.checks(settings)


def _check_root(root: Path, ground: Path) -> Check:
    trial = DiskTrial(ground)
    trial.run()
    if trial.problem is not None:
        fix = "give the user of the service the right to write there, or set BALLAST_STORAGE__ROOT"
        return failed("storage root", f"{root} cannot be used: {trial.problem}", fix)
    there = root if ground == root else f"{root} will be made at the first start"
    found = f"{there}; {_TRIAL_BYTES // MIB} MiB written, synced, renamed and read in {trial.seconds * 1000:.0f} ms"
    if trial.seconds > _SLOW_SECONDS:
        return warned("storage root", found, "use a faster disk: each upload waits for its sync")
    return passed("storage root", found)


class DiskTrial:
    """Does in a folder what the storage does with an upload: write, sync, rename, sync the folder, read.

    Only trying tells: of read-only mounts, quotas, root's powers, and file systems that do not sync.
    Afterwards `problem` says what failed, None: nothing; `seconds` is the time it took.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.problem: str | None = f"the disk did not answer for {_HUNG_SECONDS:.0f} s"
        self.seconds = _HUNG_SECONDS

    def run(self) -> None:
        """Try it, for a bounded time: a disk that hangs cannot be told to stop, so its thread is left behind."""
        if not self._folder.is_dir():
            self.problem = f"{self._folder} is not a folder"
            return
        thread = threading.Thread(target=self._try, name="disk-trial", daemon=True)
        thread.start()
        thread.join(_HUNG_SECONDS)

    def _try(self) -> None:
        began = time.monotonic()
        try:
            place = Path(tempfile.mkdtemp(prefix=".ballast-doctor-", dir=self._folder))
        except OSError as error:
            self.problem = f"making a folder in {self._folder}: {error.strerror}"
            return
        try:
            self.problem = _first_failure(place)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        self.seconds = time.monotonic() - began


def _first_failure(place: Path) -> str | None:
    """Return which step failed and why, None where all went well."""
    step, draft, final, data = "writing", place / "draft", place / "final", os.urandom(_TRIAL_BYTES)
    try:
        draft.write_bytes(data)
        step = "syncing a file"
        sync(draft)
        step = "renaming"
        draft.rename(final)
        step = "syncing a folder"
        sync(place)
        step = "reading"
        return None if final.read_bytes() == data else "what is read is not what was written"
    except OSError as error:
        return f"{step}: {error.strerror}"


def _check_file_system(root: Path, allowed_in_memory: bool) -> Check:
    try:
        refuse_memory(root)
    except UnusableRoot as refused:
        report = warned if allowed_in_memory else failed
        return report("file system", str(refused), "put BALLAST_STORAGE__ROOT on a disk")
    return passed("file system", file_system_type(root) or "of unknown type")


def _check_free_space(ground: Path, floor_bytes: int) -> Check:
    free = free_bytes(ground)
    found = f"{free / MIB:,.0f} MiB free, of which {floor_bytes / MIB:,.0f} are never touched"
    if free <= floor_bytes:
        return failed("free space", found, "delete something, or set BALLAST_STORAGE__ROOT to a larger disk")
    return passed("free space", found)
