"""Temporary files on a disk that is never full."""

from __future__ import annotations

from pathlib import Path

from app.storage.scratch import Scratch
from app.storage.space import DiskSpace
from app.storage.tempfiles import TempFiles
from app.storage.threads import DiskThreads


async def plenty() -> int:
    return 10**12


def scratch_in(folder: Path, disk: DiskThreads) -> tuple[TempFiles, Scratch]:
    """Return temporary files in a folder, which are to be opened, and what spools on them."""
    temp_files = TempFiles(folder, disk)
    return temp_files, Scratch(temp_files, DiskSpace(plenty, quota_bytes=10**8, floor_bytes=0, client_share=0.5))
