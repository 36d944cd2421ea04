"""Results that become items."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.bootstrap import open_house
from app.domain.media import MediaItem
from app.jobs import keeping
from app.jobs.folders import Folders
from app.jobs.keeping import Keeper, Shelf
from app.storage.store import MediaStore
from tests.jobs.books import add, open_book
from tests.jobs.test_room import _settings

pytestmark = pytest.mark.timeout(60)


@asynccontextmanager
async def keeper(folder: Path) -> AsyncIterator[tuple[Keeper, MediaStore, str]]:
    """Give a keeper, the store that it puts results into, and the id of a job."""

    async def settle(media_id: str, _seconds: float) -> MediaItem:
        return await core.store.get(media_id)

    async with open_house(_settings(folder, run=False)) as house, open_book(folder) as (book, steps):
        core = house.core
        job = await add(book)
        shelf = Shelf(core.store, house.media.uploads, core.disk, True, settle)
        yield Keeper(shelf, steps, Folders(folder / "jobs", core.store.space, core.disk)), core.store, job.id


async def test_the_digest_of_a_result_is_that_of_all_its_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_PIECE_BYTES", 1000)
    path, content = tmp_path / "result", bytes(range(256)) * 10
    path.write_bytes(content)
    async with keeper(tmp_path) as (kept_by, store, job_id):
        media_id = await kept_by.keep(job_id, "step", path, ("a.json", "application/json"))

        item = await store.get(media_id)

    assert (item.size_bytes, item.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert not path.exists()


async def test_a_cancellation_waits_for_no_piece_of_a_large_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, add_piece, pieces = threading.Event(), threading.Event(), keeping._add_piece, []

    def slow(*args: Any) -> int:
        pieces.append(args[1])
        begun.set()
        assert go_on.wait(50)
        return add_piece(*args)

    monkeypatch.setattr(keeping, "_PIECE_BYTES", 1000)
    monkeypatch.setattr(keeping, "_add_piece", slow)
    path = tmp_path / "result"
    path.write_bytes(bytes(5000))
    async with keeper(tmp_path) as (kept_by, store, job_id):
        keeping_it = asyncio.create_task(kept_by.keep(job_id, "step", path, ("a.json", "application/json")))
        await asyncio.to_thread(begun.wait, 50)

        keeping_it.cancel()
        await asyncio.wait((keeping_it,), timeout=40)  # the piece is still being read

        assert keeping_it.cancelled()
        go_on.set()
        assert (await store.page(10)).items == ()
    assert pieces == [0]
