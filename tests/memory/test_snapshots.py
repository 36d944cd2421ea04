"""Snapshots are written beside everything else."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from app.memory.postmortem import BlackBox
from app.memory.snapshots import SnapshotWriter
from tests.workers.pools import until

SNAPSHOT: dict[str, Any] = {"oomKills": 0, "level": "LOW"}


class SlowBox(BlackBox):
    """A black box that goes on when it is told to; counts what was begun."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.begun = 0
        self.go = threading.Event()

    def write(self, snapshot: Mapping[str, Any], *, clean: bool = False) -> None:
        self.begun += 1
        self.go.wait()
        super().write(snapshot, clean=clean)


@pytest.fixture
def box(tmp_path: Path) -> SlowBox:
    return SlowBox(tmp_path / "memory.json")


async def test_it_is_busy_until_the_disk_has_the_snapshot(tmp_path: Path, box: SlowBox) -> None:
    writer = SnapshotWriter(box)

    writer.write(SNAPSHOT)
    before = writer.is_writing
    box.go.set()
    await until(lambda: not writer.is_writing)

    assert (before, json.loads((tmp_path / "memory.json").read_text())["clean"]) == (True, False)


async def test_the_end_waits_for_its_mark(tmp_path: Path, box: SlowBox) -> None:
    box.go.set()

    await SnapshotWriter(box).aclose(SNAPSHOT)

    assert json.loads((tmp_path / "memory.json").read_text())["clean"] is True


async def test_the_end_does_not_wait_for_a_disk_that_hangs(box: SlowBox, caplog: pytest.LogCaptureFixture) -> None:
    writer = SnapshotWriter(box, close_seconds=0.01)
    writer.write(SNAPSHOT)

    await writer.aclose(SNAPSHOT)

    assert "could not be written in time" in caplog.text
    box.go.set()
    await until(lambda: not writer.is_writing)


async def test_what_cannot_be_written_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    writer = SnapshotWriter(BlackBox(tmp_path / "memory.json"))

    writer.write({"oomKills": object()})
    await until(lambda: not writer.is_writing)
    await writer.aclose(SNAPSHOT)

    assert "the snapshot cannot be written" in caplog.text
    assert json.loads((tmp_path / "memory.json").read_text())["clean"] is True


def test_a_disk_that_comes_back_after_the_loop_has_ended_harms_nothing(box: SlowBox) -> None:
    async def run() -> None:
        SnapshotWriter(box).write(SNAPSHOT)

    asyncio.run(run())
    box.go.set()

    for left in [thread for thread in threading.enumerate() if thread.name == "ballast-snapshot"]:
        left.join()
    assert box.begun == 1
