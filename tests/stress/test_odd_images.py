"""Ten thousand odd inputs for images: refused by name or answered, and photos in between are always answered."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from soak.http import LOST, HttpClient
from tests.imaging.pictures import encode, scene
from tests.stress.odd_images import odd_inputs
from tests.stress.running import Stand, Subject

_IN_FLIGHT = 4
_GOOD_EVERY = 20
_REFUSALS = frozenset((400, 413, 415, 422, 503, 504))
_SETTINGS = {"IMAGE__WORKERS": "2", "IMAGE__DEADLINE_SECONDS": "20"}


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(200, marks=pytest.mark.timeout(180)),
        pytest.param(10_000, marks=[pytest.mark.stress, pytest.mark.timeout(5400)]),
    ],
)
async def test_odd_inputs_are_refused_or_answered_and_photos_between_them_are_answered(
    stand: Stand, count: int
) -> None:
    photo = encode(scene(320, 240), "jpeg")
    async with stand.serve(_SETTINGS) as subject:
        await _send(subject, iter([("width=64", photo)] * 4), photo, Counter(), [])
        before = await subject.footprint()
        answers, wrong = Counter[str](), list[str]()

        await _send(subject, odd_inputs(count, seed=count), photo, answers, wrong)

        assert wrong == [], answers
        assert sum(answers.values()) == count
        assert answers["200"] >= count // 10
        assert subject.group.oom_kills() == 0
        await subject.assert_nothing_is_left(before)


async def _send(
    subject: Subject, inputs: Iterator[tuple[str, bytes]], photo: bytes, answers: Counter[str], wrong: list[str]
) -> None:
    async def work() -> None:
        client = subject.connect()
        try:
            for query, body in inputs:
                await _ask(client, query, body, answers, wrong)
                if sum(answers.values()) % _GOOD_EVERY == 0:
                    answer = await client.post("/v1/images?width=64", photo, "image/jpeg")
                    if answer.status != 200:
                        wrong.append(f"a photo was answered {answer.status}")
        finally:
            client.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(_IN_FLIGHT):
            group.create_task(work())


async def _ask(client: HttpClient, query: str, body: bytes, answers: Counter[str], wrong: list[str]) -> None:
    try:
        answer = await client.post(f"/v1/images?{query}", body, "application/octet-stream")
    except LOST as error:
        wrong.append(f"{query}: {error!r}")
        return
    name = "200" if answer.status == 200 else f"{answer.status} {answer.json()['code']}"
    answers[name] += 1
    if answer.status not in _REFUSALS and name not in ("200", "500 worker_failed"):
        wrong.append(f"{query}: {name}")
