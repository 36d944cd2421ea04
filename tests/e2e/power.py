"""A disk whose power can be cut: what was not synced is gone (ext4 on a loop device, for root only).

`FS_IOC_SHUTDOWN` stops a file system without writing anything more, as xfstests does it: dirty pages and the journal in
memory are lost, and the next mount recovers what the journal on the disk says. Nothing is written by itself before:
the journal is committed once in five minutes, so what survives was asked for.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_SHUTDOWN = 0x8004587D  # FS_IOC_SHUTDOWN (linux/fs.h): _IOR('X', 125, __u32)
_NO_LOG_FLUSH = 2
_OPTIONS = "loop,commit=300"


class PowerDisk:
    """Mounted at `folder`."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.folder = folder
        self._image = image

    def mount(self) -> None:
        _run("mount", "-o", _OPTIONS, str(self._image), str(self.folder))

    def unmount(self) -> None:
        _run("umount", str(self.folder))

    def cut(self) -> None:
        """Cut the power: from now on every write fails, and nothing more comes to the disk."""
        fd = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def restore(self) -> None:
        """Bring it back as a machine does that starts again; no process may have a file open on it."""
        self.unmount()
        self.mount()

    def freeze(self) -> None:
        """Have every write hang until `thaw`, as on a disk or a network that does not answer."""
        _run("fsfreeze", "--freeze", str(self.folder))

    def thaw(self) -> None:
        _run("fsfreeze", "--unfreeze", str(self.folder))


@contextmanager
def power_disk(place: Path, size_bytes: int, *options: str) -> Iterator[PowerDisk]:
    """Lend a disk for the block, as the storage root of a service that runs in `place`, whose log is not on it.

    `options` are those of mkfs.ext4.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk")
    image, folder = place / "disk.img", place / "var"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(size_bytes)
    _run("mkfs.ext4", "-q", *options, str(image))
    disk = PowerDisk(image, folder)
    try:
        disk.mount()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no disk can be mounted here: {error.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        disk.unmount()
        image.unlink()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)
