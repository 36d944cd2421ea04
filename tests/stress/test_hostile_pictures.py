"""Hostile pictures are refused or answered; nothing is ever killed by one."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from soak.cgroup import MemoryGroup
from soak.http import LOST
from tests.stress.hostile import hostile_pictures
from tests.stress.running import HANDS, Caller, Stand, Subject

pytestmark = [pytest.mark.model, pytest.mark.photo]

_IN_FLIGHT = 8
_REFUSALS = {400, 413, 415, 422}


@pytest.mark.timeout(180)
async def test_two_hundred_hostile_pictures_are_refused_or_answered(stand: Stand, group: MemoryGroup) -> None:
    pictures = await asyncio.to_thread(hostile_pictures, 200)
    async with stand.serve() as subject:
        caller = Caller(subject)
        await caller.send(4)
        before = await subject.footprint()
        workers = await subject.pids("vision")
        answers, wrong = Counter[str](), list[str]()

        await _send(subject, pictures, answers, wrong)

        assert wrong == [], answers
        assert sum(answers.values()) == 200
        assert answers["200"] >= 1
        assert group.oom_kills() == 0
        died = [line for line in subject.service.log_lines() if line["message"] == "worker died"]
        assert not died, (workers, died)
        await caller.send(8)
        assert caller.bad == []
        assert caller.lost == []
        await subject.assert_nothing_is_left(before)


async def _send(subject: Subject, pictures: list[bytes], answers: Counter[str], wrong: list[str]) -> None:
    left = list(enumerate(pictures))

    async def work() -> None:
        client = subject.connect()
        try:
            while left:
                number, picture = left.pop()
                try:
                    answer = await client.post(HANDS, picture, "application/octet-stream")
                except LOST as error:
                    wrong.append(f"picture {number}: {error!r}")
                    continue
                words = answer.json()
                name = "200" if answer.status == 200 else f"{answer.status} {words['code']}"
                answers[name] += 1
                shed = answer.status == 503 and "retry-after" in answer.headers
                if answer.status != 200 and answer.status not in _REFUSALS and not shed:
                    wrong.append(f"picture {number} ({len(picture)} bytes, {picture[:12]!r}): {name} {words['detail']}")
        finally:
            client.close()

    await asyncio.gather(*(work() for _ in range(_IN_FLIGHT)))
