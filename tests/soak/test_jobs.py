"""The load of jobs: kinds in turn, each deleted with its results, the last one cancelled."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter

import pytest

from soak.film import draw_film
from soak.jobs import KINDS, JobLoad
from soak.tally import Tally
from tests.soak.toy_service import ToyService


class ToyJobs(ToyService):
    """Answers each look at a job with the next of `states`, the last one again and again."""

    def __init__(self, *states: str, error: dict[str, str] | None = None) -> None:
        super().__init__({"hands": "ready"}, images=False)
        self._states = list(states)
        self._error = error

    def _answer(self, path: str) -> tuple[int, bytes]:
        if path == "/v1/media":
            return 201, b'{"id": "m1"}'
        if path == "/v1/jobs":
            return 202, json.dumps({"id": "j1", "state": "queued", "error": None}).encode()
        if path == "/v1/jobs/j1":
            state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
            return 200, json.dumps({"id": "j1", "state": state, "error": self._error}).encode()
        return super()._answer(path)


class FullService(ToyService):
    """Says of each job that it needs more memory than there is."""

    def _answer(self, path: str) -> tuple[int, bytes]:
        if path == "/v1/media":
            return 201, b'{"id": "m1"}'
        return 413, b'{"code": "memory_exceeds_limit", "detail": "Too much."}'


async def run_until_ends(service: ToyService, tally: Tally, count: int) -> None:
    async with service.listening() as port:
        load = asyncio.create_task(JobLoad(port, b"film", "hands", tally).run())
        while tally.job_ends.total() < count:  # noqa: ASYNC110 - a counter
            await asyncio.sleep(0.01)
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)


async def test_each_kind_comes_in_turn_and_is_deleted_with_its_results() -> None:
    service, tally = ToyJobs("running", "succeeded"), Tally()

    await run_until_ends(service, tally, 3)

    assert tally.job_ends == Counter({f"{kind} succeeded": 1 for kind in KINDS})
    assert service.queries.count("results=true") >= 2
    assert len(tally.job_seconds) == 3
    assert not tally.wrong_answers


async def test_a_job_that_fails_is_a_wrong_answer() -> None:
    tally = Tally()

    await run_until_ends(ToyJobs("failed", error={"code": "internal_error", "detail": "Oh."}), tally, 1)

    assert list(tally.wrong_answers) == ["job: transcode failed internal_error: Oh."]


async def test_a_job_that_can_never_have_its_memory_is_an_answer() -> None:
    tally = Tally()

    await run_until_ends(FullService({}, images=False), tally, 1)

    assert tally.job_ends == Counter({"transcode refused memory_exceeds_limit": 1})
    assert not tally.wrong_answers


async def test_the_job_at_work_is_cancelled_at_the_end() -> None:
    service = ToyJobs("running")

    async with service.listening() as port:
        load = asyncio.create_task(JobLoad(port, b"film", "hands", Tally()).run())
        while not service.asked["/v1/jobs/j1"]:  # noqa: ASYNC110 - a counter
            await asyncio.sleep(0.01)
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)

    assert service.asked["/v1/jobs/j1/cancel"] == 1


def test_without_ffmpeg_there_is_no_film(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)

    assert draw_film() is None
