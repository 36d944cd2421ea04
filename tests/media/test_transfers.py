"""Transfers: their buffers are in the ledger while they last, and one client cannot have all of them."""

from __future__ import annotations

import asyncio

import pytest

from app.domain.pressure import ProcessingMode
from app.domain.units import MIB
from app.errors import QueueFull
from app.media.transfers import DOWNLOAD, UPLOAD, Transfers
from app.memory.allowance import Allowance
from app.memory.budget import MemoryBudget
from tests.leaks import Leaks
from tests.workers.pools import until


async def test_a_client_that_begins_too_many_is_told_so_and_others_go_on(
    leaks: Leaks, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = MemoryBudget(100 * MIB, working_set=lambda: 0)
    leaks.watch(budget)
    transfers = Transfers(budget, Allowance(lambda: 9 * UPLOAD.nbytes), lambda: ProcessingMode.FULL_QUALITY)

    may_end = asyncio.Event()

    async def hold(client: str) -> None:
        async with transfers.admit(UPLOAD, client):
            await may_end.wait()

    held = [asyncio.create_task(hold(client)) for client in ("busy",) * 4 + ("other",)]
    await until(lambda: budget.reserved_bytes == 5 * UPLOAD.nbytes)
    monkeypatch.setattr("app.media.transfers._WAIT_SECONDS", 0.01)
    with pytest.raises(QueueFull):
        async with transfers.admit(DOWNLOAD, "busy"):
            pass
    may_end.set()
    await asyncio.gather(*held)

    assert budget.reserved_bytes == 0
    async with transfers.admit(UPLOAD, "busy"):
        assert budget.reserved_bytes == UPLOAD.nbytes


async def test_a_download_has_large_pieces_where_there_is_plenty() -> None:
    budget, plenty = MemoryBudget(100 * MIB, working_set=lambda: 0), 8 * DOWNLOAD.most_bytes
    transfers = Transfers(budget, Allowance(lambda: plenty), lambda: ProcessingMode.FULL_QUALITY)

    async with transfers.admit(DOWNLOAD, "one") as most:
        pass
    plenty -= 1
    async with transfers.admit(DOWNLOAD, "one") as least:
        pass

    assert (most, least) == (DOWNLOAD.most_bytes, DOWNLOAD.nbytes)
    assert budget.reserved_bytes == 0
