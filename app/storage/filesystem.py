"""The file system below a folder: its type, its free space, and who uses it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from app.storage.files import make_folder

_IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs", "hugetlbfs"})


class UnusableRoot(RuntimeError):
    """The storage root cannot be used; the message is one sentence for whoever started the service."""


def file_system_type(folder: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> str | None:
    """Return the type of the file system that holds `folder`, such as `ext4`; None where the system does not tell.

    `folder` need not exist yet: its nearest parent that does counts. `mountinfo` is described in proc(5); of two
    mounts on one place the later one is seen.
    """
    try:
        lines = mountinfo.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    place = nearest_existing(folder.absolute()).resolve()
    found: tuple[int, str] | None = None
    for line in lines:
        before, _, after = line.partition(" - ")
        mount_point = Path(_unescape(before.split(" ")[4]))
        depth = len(mount_point.parts)
        if place.is_relative_to(mount_point) and (found is None or depth >= found[0]):
            found = (depth, after.split(" ")[0])
    return found[1] if found else None


def free_bytes(folder: Path) -> int:
    """Return the bytes that an unprivileged process may still write to the file system of `folder`."""
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


def claim(root: Path) -> int:
    """Make a storage root and lock it: two services that sweep one root would remove each other's files.

    It is locked until the descriptor that is returned is closed.

    Raises:
        UnusableRoot: it cannot be made, or another service uses it.
    """
    try:
        make_folder(root, synced=True)
        lock_fd = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UnusableRoot(f"the storage root {root} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock_fd)
        raise UnusableRoot(f"the storage root {root} is in use by another running service") from error
    return lock_fd


def refuse_memory(folder: Path) -> None:
    """Make sure that what is written to `folder` does not lie in memory: there it would count against the limit.

    Raises:
        UnusableRoot: the file system is tmpfs or another one that lives in memory.
    """
    kind = file_system_type(folder)
    if kind in _IN_MEMORY:
        raise UnusableRoot(
            f"the storage root {folder} is on {kind}, which is memory: put BALLAST_STORAGE__ROOT on a disk, "
            "or set BALLAST_STORAGE__ALLOW_TMPFS=true if that is what you want"
        )


def nearest_existing(folder: Path) -> Path:
    """Return `folder`, or the nearest folder above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _unescape(field: str) -> str:
    """Undo the octal escapes of mountinfo for space, tab, newline and backslash."""
    for escape, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        field = field.replace(escape, character)
    return field
