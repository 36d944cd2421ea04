"""Pictures that would keep a decoder busy for minutes take nothing from those who send honest ones."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from soak.cgroup import MemoryGroup
from soak.http import HttpClient
from soak.service import run_service
from tests.media_files import photo
from tests.stress.hostile import endless_scans
from tests.stress.running import HANDS, Stand

pytestmark = [pytest.mark.model, pytest.mark.photo]

_ATTACKERS, _HONEST = 6, 2
_ONLY_OK = {"200"}
_SECONDS = 20.0


@pytest.mark.stress
@pytest.mark.timeout(180)
async def test_beside_six_endless_jpegs_every_photo_is_answered_for_20_seconds(
    stand: Stand, group: MemoryGroup
) -> None:
    async with stand.serve() as subject:
        end = time.monotonic() + _SECONDS

        load = await _attack(subject.service.port, lambda _photos: time.monotonic() < end)

        load.assert_nobody_was_hurt()
        assert group.oom_kills() == 0
        assert not [line for line in subject.service.log_lines() if line["message"] == "worker died"]


@pytest.mark.timeout(120)
async def test_beside_six_endless_jpegs_every_photo_is_answered(folder: Path) -> None:
    async with run_service(folder, None, {"BALLAST_MEMORY__LIMIT": "300M"}) as service:
        load = await _attack(service.port, lambda photos: photos < 30)

        load.assert_nobody_was_hurt()


class _Load:
    """What was answered to attackers, honest clients and the probe."""

    def __init__(self) -> None:
        self.attackers, self.honest, self.ready = Counter[str](), Counter[str](), Counter[str]()

    def assert_nobody_was_hurt(self) -> None:
        assert set(self.attackers) == {"422 invalid_media"}, self.attackers
        assert set(self.honest) == _ONLY_OK, self.honest
        assert set(self.ready) == _ONLY_OK, self.ready


async def _attack(port: int, wanted: Callable[[int], bool]) -> _Load:
    """Send hostile and honest pictures, and ask whether it is ready, while `wanted` says so of the photos answered."""
    load, hostile, honest = _Load(), endless_scans(), photo("thumb_up.jpg").read()
    assert 900_000 < len(hostile) < 1_100_000

    def goes_on() -> bool:
        return wanted(load.honest.total())

    async def send(picture: bytes, answers: Counter[str]) -> None:
        with contextlib.closing(HttpClient(port)) as client:
            while goes_on():
                answer = await client.post(HANDS, picture)
                answers["200" if answer.status == 200 else f"{answer.status} {answer.json()['code']}"] += 1

    async def probe() -> None:
        with contextlib.closing(HttpClient(port)) as client:
            while goes_on():
                load.ready[str((await client.get("/health/ready")).status)] += 1
                await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(probe())
        for _ in range(_ATTACKERS):
            tasks.create_task(send(hostile, load.attackers))
        for _ in range(_HONEST):
            tasks.create_task(send(honest, load.honest))
    return load
