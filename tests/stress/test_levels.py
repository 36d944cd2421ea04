"""The level is right where others are wrong: page cache is not pressure, and neighbours are not ours."""

from __future__ import annotations

import asyncio

import pytest

from app.domain.units import MIB
from soak.cgroup import MemoryGroup
from soak.load import send_file
from tests.stress.eater import Eater
from tests.stress.running import Stand, Subject


async def test_250_mib_held_in_all_read_high(stand: Stand, group: MemoryGroup) -> None:
    async with stand.serve() as subject, Eater.inside(group) as eater:
        missing = 250 - round(group.working_set_bytes() / MIB)

        await eater.hold(missing)

        report = await subject.until(lambda report: report["level"] != "LOW")
        report = await subject.until(lambda report: report["workingSetBytes"] > 245 * MIB)
        assert report["level"] == "HIGH"
        assert report["workingSetBytes"] == pytest.approx(250 * MIB, abs=6 * MIB)
        assert report["limitBytes"] == 300 * MIB
        assert report["limitSource"] in ("cgroup1", "cgroup2")


async def test_a_600_mb_file_written_and_a_stored_200_mb_file_read_three_times_read_low(
    stand: Stand, group: MemoryGroup
) -> None:
    # Waiting for a slow disk is counted as a stall of the whole machine (PSI): that is another measure.
    async with stand.serve({"BALLAST_MEMORY__PSI_SOME": "100"}) as subject, subject.watching_levels() as levels:
        small = await _upload(subject, 200 * 1000 * 1000)
        for _ in range(3):
            assert await _read(subject, small) == 200 * 1000 * 1000
        await _upload(subject, 600 * 1000 * 1000)
        await subject.until(lambda report: report["uploads"]["active"] == 0)
        await asyncio.sleep(1.5)  # a sample or two of the service after the last byte

        assert group.usage_bytes() > 250 * MIB  # what a service that levels on raw usage would see
        assert levels == {"LOW"}
        assert (await subject.memory())["workingSetBytes"] < 120 * MIB
        assert group.oom_kills() == 0


@pytest.mark.parametrize("group", [600 * MIB], indirect=True)
async def test_a_limit_by_setting_counts_only_our_own_tree(stand: Stand, group: MemoryGroup) -> None:
    async with stand.serve({"BALLAST_MEMORY__LIMIT": "300M"}) as subject, Eater.inside(group) as neighbour:
        await neighbour.hold(350)
        await asyncio.sleep(1.5)

        report = await subject.memory()

        assert group.working_set_bytes() > 380 * MIB
        assert report["limitSource"] == "setting"
        assert report["limitBytes"] == 300 * MIB
        assert report["workingSetBytes"] < 100 * MIB
        assert report["level"] == "LOW"


async def _upload(subject: Subject, size: int) -> str:
    client, sent = subject.connect(), list[int]()
    try:
        writer = await client.open()
        writer.write(client.head("POST", "/v1/media?inline=never&name=large.mp4", size, "video/mp4"))
        await send_file(writer, size, sent.append)
        answer = await client.answer()
    finally:
        client.close()
    assert (answer.status, sum(sent)) == (201, size)
    identity: str = answer.json()["id"]
    return identity


async def _read(subject: Subject, identity: str) -> int:
    """Read a stored file through the API and return its size, holding no more than a piece of it."""
    client = subject.connect()
    try:
        writer = await client.open()
        writer.write(client.head("GET", f"/v1/media/{identity}/content"))
        return sum([len(piece) async for piece in client.body()])
    finally:
        client.close()
