"""Lines on the disk between those who write them and the one who reads."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NoReturn, TypeVar, TypeVarTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.units import MIB
from app.errors import StorageFull
from app.storage.lane import Call
from app.storage.scratch import Scratch
from app.storage.space import DiskSpace
from app.storage.spool import Spool, open_spool
from app.storage.tempfiles import TempFiles
from app.storage.threads import DiskThreads

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class FullDisk(DiskThreads):
    """A disk on which writing a line fails once `is_full`."""

    is_full = False

    def start(self, function: Callable[[*Ts], T], *args: *Ts) -> Call[T]:
        if self.is_full and function.__name__ == "write_all":
            return super().start(_refuse)
        return super().start(function, *args)


def _refuse() -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
async def disk() -> AsyncIterator[FullDisk]:
    disk = FullDisk(threads=2)
    yield disk
    await disk.aclose()


@pytest.fixture
async def temp_files(tmp_path: Path, disk: DiskThreads) -> TempFiles:
    files = TempFiles(tmp_path / "tmp", disk)
    await files.open()
    return files


async def plenty() -> int:
    return 10**12


@pytest.fixture
def space() -> DiskSpace:
    return DiskSpace(plenty, quota_bytes=10**8, floor_bytes=0, client_share=0.5)


@pytest.fixture
def scratch(temp_files: TempFiles, space: DiskSpace) -> Scratch:
    return Scratch(temp_files, space)


async def read(spool: Spool) -> bytes:
    return b"".join([piece async for piece in spool.pieces()])


async def test_what_is_written_is_read_in_order(scratch: Scratch, disk: DiskThreads) -> None:
    async with open_spool("batch", "me", scratch, disk) as spool:
        for number in range(5):
            await spool.write(b"line %d\n" % number)
        spool.end()

        assert await read(spool) == b"".join(b"line %d\n" % number for number in range(5))


async def test_a_reader_waits_for_lines_and_for_the_end(scratch: Scratch, disk: DiskThreads) -> None:
    async with open_spool("batch", "me", scratch, disk) as spool:
        pieces = spool.pieces()
        first = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0)
        assert not first.done()

        await spool.write(b"1\n")
        assert await first == b"1\n"
        second = asyncio.ensure_future(anext(pieces, None))
        await asyncio.sleep(0)
        assert not second.done()

        spool.end()
        assert await second is None


async def test_what_was_written_before_the_end_is_read_after_it(scratch: Scratch, disk: DiskThreads) -> None:
    async with open_spool("batch", "me", scratch, disk) as spool:
        await spool.write(b"x" * 300_000)
        spool.end()

        pieces = [piece async for piece in spool.pieces()]

    assert b"".join(pieces) == b"x" * 300_000
    assert max(len(piece) for piece in pieces) <= 64 * 1024


async def test_an_empty_spool_gives_nothing(scratch: Scratch, disk: DiskThreads) -> None:
    async with open_spool("batch", "me", scratch, disk) as spool:
        spool.end()

        assert await read(spool) == b""


async def test_lines_of_many_writers_stay_whole(scratch: Scratch, disk: DiskThreads) -> None:
    lines = [bytes([65 + number]) * (number * 1000 + 1) + b"\n" for number in range(20)]
    async with open_spool("batch", "me", scratch, disk) as spool:
        reading = asyncio.create_task(read(spool))

        await asyncio.gather(*(spool.write(line) for line in lines))
        spool.end()
        whole = await reading

    assert sorted(whole.splitlines(keepends=True)) == sorted(lines)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(st.binary(max_size=2000), max_size=20), st.lists(st.integers(0, 3), max_size=20))
async def test_nothing_is_lost_or_doubled_whoever_is_faster(
    scratch: Scratch, disk: DiskThreads, lines: list[bytes], turns: list[int]
) -> None:
    async with open_spool("batch", "me", scratch, disk) as spool:
        reading = asyncio.create_task(read(spool))
        for number, line in enumerate(lines):
            await spool.write(line)
            for _ in range(turns[number] if number < len(turns) else 0):
                await asyncio.sleep(0)
        spool.end()

        assert await reading == b"".join(lines)


async def test_the_file_is_tracked_with_its_size_and_gone_afterwards(
    scratch: Scratch, temp_files: TempFiles, disk: DiskThreads, tmp_path: Path
) -> None:
    async with open_spool("batch", "me", scratch, disk) as spool:
        await spool.write(b"12345\n")
        inside = temp_files.statistics()
        assert spool.size_bytes == 6

    assert {name: (one.count, one.total_bytes) for name, one in inside.by_source.items()} == {"batch": (1, 6)}
    assert temp_files.statistics().count == 0
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_the_file_is_gone_when_the_block_is_cancelled(
    scratch: Scratch, disk: DiskThreads, tmp_path: Path
) -> None:
    opened = asyncio.Event()

    async def hold() -> None:
        async with open_spool("batch", "me", scratch, disk) as spool:
            opened.set()
            await read(spool)

    holding = asyncio.create_task(hold())
    await opened.wait()
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding

    assert list((tmp_path / "tmp").iterdir()) == []


async def test_a_line_that_has_no_room_is_an_error_and_counts_for_nothing(
    scratch: Scratch, space: DiskSpace, disk: FullDisk
) -> None:
    async with open_spool("batch", "me", scratch, disk) as spool:
        await spool.write(b"1\n")
        disk.is_full = True

        with pytest.raises(StorageFull):
            await spool.write(b"2\n")

        disk.is_full = False
        await spool.write(b"3\n")
        spool.end()
        assert await read(spool) == b"1\n3\n"
    assert space.usage().reserved_bytes == 0


async def test_the_last_line_needs_no_room_on_the_disk(scratch: Scratch, disk: FullDisk) -> None:
    async with open_spool("batch", "me", scratch, disk) as spool:
        await spool.write(b"1\n")
        disk.is_full = True

        spool.end(b"the disk is full\n")

        assert await read(spool) == b"1\nthe disk is full\n"


async def test_the_lines_of_a_client_that_does_not_read_keep_to_its_share(
    temp_files: TempFiles, disk: DiskThreads
) -> None:
    space = DiskSpace(plenty, quota_bytes=20 * MIB, floor_bytes=0, client_share=0.25)
    scratch = Scratch(temp_files, space)

    async with open_spool("batch", "me", scratch, disk) as one, open_spool("batch", "me", scratch, disk) as two:
        await one.write(bytes(3 * MIB))
        await two.write(bytes(2 * MIB))
        for mine in (one, two):
            with pytest.raises(StorageFull):
                await mine.write(b"x")
        async with open_spool("batch", "other", scratch, disk) as others:
            await others.write(bytes(5 * MIB))
            inside = space.usage().reserved_bytes
    async with open_spool("batch", "me", scratch, disk) as again:
        await again.write(bytes(5 * MIB))

    assert (inside, space.usage().reserved_bytes) == (10 * MIB, 0)


async def test_lines_leave_the_floor_of_free_space(temp_files: TempFiles, disk: DiskThreads) -> None:
    free = 2000

    async def little() -> int:
        return free

    scratch = Scratch(temp_files, DiskSpace(little, quota_bytes=None, floor_bytes=900))

    async with open_spool("batch", "me", scratch, disk) as spool:
        await spool.write(b"x" * 1100)
        free -= 1100
        with pytest.raises(StorageFull):
            await spool.write(b"x")
