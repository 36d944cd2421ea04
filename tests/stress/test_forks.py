"""Ten thousand children, forked and ended: neither the zygote nor the service keeps anything of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.domain.units import KIB, MIB
from app.workers.footprint import resident_bytes
from app.workers.zygote import Zygote
from tests.leaks import open_descriptors
from tests.workers.zygotes import children_of, descriptors_of, open_zygote, start_and_end

_ABREAST = 8


@pytest.mark.stress
@pytest.mark.timeout(1800)
async def test_ten_thousand_children_leave_neither_memory_nor_descriptors_nor_zombies() -> None:
    async with open_zygote("numpy", "PIL.Image") as (zygote, watch):
        await _start_and_end(zygote, 200)  # the allocators have what they keep
        (pid,) = watch.pids
        descriptors = (len(open_descriptors()), descriptors_of(pid))
        ours_bytes, zygote_bytes = resident_bytes(), _resident_bytes(pid)

        await _start_and_end(zygote, 10_000)

        assert watch.pids == [pid]
        assert children_of(pid) == []
        assert (len(open_descriptors()), descriptors_of(pid)) == descriptors
        assert _resident_bytes(pid) - zygote_bytes < MIB
        assert resident_bytes() - ours_bytes < 4 * MIB


async def _start_and_end(zygote: Zygote, times: int) -> None:
    for _ in range(times // _ABREAST):
        methods = await asyncio.gather(*(start_and_end(zygote) for _ in range(_ABREAST)))
        assert set(methods) == {"fork"}


def _resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * KIB
