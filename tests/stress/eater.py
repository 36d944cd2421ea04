"""Pressure from outside: a process that eats memory in the control group of the service."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from soak.cgroup import MemoryGroup

_EATER = """
import mmap, sys
held = []
for line in sys.stdin:
    wanted = int(line)
    while len(held) < wanted:
        held.append(mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        held[-1].write(b"x" * (1 << 20))
    while len(held) > wanted:
        held.pop().close()
    print(wanted, flush=True)
"""


class Eater:
    """A process that holds as many MiB as it is told to: pressure from outside the service."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.held_mib = 0
        self._process = process

    @classmethod
    @asynccontextmanager
    async def inside(cls, group: MemoryGroup) -> AsyncIterator[Self]:
        command = group.joining([sys.executable, "-S", "-E", "-c", _EATER])
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        eater = cls(process)
        try:
            await eater.hold(0)
            yield eater
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            assert process.stdin is not None
            process.stdin.close()
            with contextlib.suppress(ConnectionError):
                await process.stdin.wait_closed()

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def hold(self, mib: int) -> None:
        """Grow or shrink to so many MiB, and return when that is done.

        Raises:
            ConnectionError: the kernel has killed it.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{mib}\n".encode())
        await self._process.stdin.drain()
        if not await self._process.stdout.readline():
            raise ConnectionError("the eater is gone")
        self.held_mib = mib
