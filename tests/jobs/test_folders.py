from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.domain.units import MIB
from app.errors import InvalidMedia, StorageFull
from app.jobs.folders import Folders
from app.storage.space import DiskSpace
from app.storage.threads import DiskThreads


async def folders(root: Path, room_bytes: int) -> tuple[Folders, DiskSpace]:
    async def free_bytes() -> int:
        return 1 << 40

    space = DiskSpace(free_bytes, quota_bytes=room_bytes, floor_bytes=0)
    found = Folders(root, space, DiskThreads(), every_seconds=0.01)
    await found.promise("job", MIB)
    await found.begin("job")
    return found, space


async def test_a_step_that_writes_more_than_was_promised_is_given_more_while_it_writes(tmp_path: Path) -> None:
    found, space = await folders(tmp_path, 100 * MIB)

    async with asyncio.timeout(10), found.measured("job"):
        (found.path("job") / "part").write_bytes(bytes(3 * MIB))
        while space.usage().reserved_bytes < 3 * MIB:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    assert found.written_bytes == 3 * MIB


async def test_a_step_that_writes_more_than_there_is_room_for_is_broken_off(tmp_path: Path) -> None:
    found, _ = await folders(tmp_path, 2 * MIB)

    async def write() -> None:
        async with asyncio.timeout(10), found.measured("job"):
            (found.path("job") / "part").write_bytes(bytes(3 * MIB))
            await asyncio.Event().wait()

    with pytest.raises(StorageFull):
        await write()


async def test_what_breaks_a_step_is_told_as_it_is(tmp_path: Path) -> None:
    found, _ = await folders(tmp_path, 2 * MIB)

    async def fail() -> None:
        async with found.measured("job"):
            raise InvalidMedia("It is broken.")

    with pytest.raises(InvalidMedia):
        await fail()
