from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from app.storage.tempfiles import SourceStatistics, TempFiles, TempFileStatistics
from app.storage.threads import DiskThreads

NOTHING = TempFileStatistics(0, 0, {})


@pytest.fixture
async def disk() -> AsyncIterator[DiskThreads]:
    threads = DiskThreads()
    yield threads
    await threads.aclose()


@pytest.fixture
async def temp_files(tmp_path: Path, disk: DiskThreads) -> TempFiles:
    temp_files = TempFiles(tmp_path / "tmp", disk)
    await temp_files.open()
    return temp_files


async def test_a_file_is_private_counted_by_its_source_and_gone_afterwards(temp_files: TempFiles) -> None:
    async with temp_files.file("clip", ".mp4") as one, temp_files.file("frames") as two:
        one.path.write_bytes(b"12345")
        await temp_files.measure()
        during = temp_files.statistics()
        mode = one.path.stat().st_mode & 0o777

    assert (mode, one.path.suffix) == (0o600, ".mp4")
    assert during == TempFileStatistics(2, 5, {"clip": SourceStatistics(1, 5), "frames": SourceStatistics(1, 0)})
    assert temp_files.statistics() == NOTHING
    assert not one.path.exists()
    assert not two.path.exists()


async def test_an_error_leaves_no_file(temp_files: TempFiles, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="broken"):
        async with temp_files.file("clip"):
            raise ValueError("broken")

    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("how", ["task", "scope"])
async def test_a_cancelled_task_leaves_no_file(temp_files: TempFiles, tmp_path: Path, how: str) -> None:
    has_file = asyncio.Event()

    async def work() -> None:
        async with temp_files.file("clip"):
            has_file.set()
            await asyncio.sleep(3600)

    if how == "task":
        task = asyncio.create_task(work())
        await has_file.wait()
        task.cancel()
        await asyncio.wait((task,))
    else:
        async with anyio.create_task_group() as group:
            group.start_soon(work)
            await has_file.wait()
            group.cancel_scope.cancel()

    assert list((tmp_path / "tmp").iterdir()) == []
    assert temp_files.statistics() == NOTHING


async def test_a_file_that_was_renamed_away_is_kept(temp_files: TempFiles, tmp_path: Path) -> None:
    async with temp_files.file("upload") as temp_file:
        temp_file.path.rename(tmp_path / "kept")

    assert (tmp_path / "kept").exists()
    assert temp_files.statistics() == NOTHING


async def test_closing_removes_what_is_still_there(temp_files: TempFiles, tmp_path: Path) -> None:
    block = temp_files.file("clip")
    await block.__aenter__()

    await temp_files.aclose()

    assert list((tmp_path / "tmp").iterdir()) == []
    await block.__aexit__(None, None, None)


async def test_what_a_killed_run_left_is_swept_at_the_next_start(tmp_path: Path, disk: DiskThreads) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    (folder / "upload-left").write_bytes(b"x")
    (folder / "clip-left.mp4").write_bytes(b"x")

    removed = await TempFiles(folder, disk).open()

    assert removed == 2
    assert list(folder.iterdir()) == []


async def test_a_file_that_cannot_be_removed_is_still_counted(temp_files: TempFiles) -> None:
    async with temp_files.file("clip") as temp_file:
        temp_file.path.unlink()
        temp_file.path.mkdir()  # unlink fails on a folder

    assert temp_files.statistics().count == 1

    temp_file.path.rmdir()
    await temp_files.aclose()
    assert temp_files.statistics() == NOTHING
