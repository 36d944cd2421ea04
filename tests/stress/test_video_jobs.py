"""Films of 1080p are transcoded and analysed in a small group, while photos and a stream are served."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

import pytest

from app.domain.units import MIB
from benchmarks.media import extract_frames
from benchmarks.service_report import DIED, KILLED, count
from tests.stress.film_jobs import (
    RATE,
    SAMPLE_FPS,
    SETTINGS,
    Outcome,
    assert_served,
    end_of,
    served,
    store,
    submit,
    watched,
    work,
)
from tests.stress.films import HAND, face_film
from tests.stress.running import Stand

pytestmark = [pytest.mark.model, pytest.mark.photo, pytest.mark.stress]  # the short form, too: it takes minutes

SHORT_SECONDS, FULL_SECONDS = 4, int(os.environ.get("STRESS_FILM_SECONDS", "600"))
LENGTHS = [
    pytest.param(SHORT_SECONDS, marks=pytest.mark.timeout(900)),
    pytest.param(FULL_SECONDS, marks=pytest.mark.timeout(4 * 3600)),
]
EVERY: Mapping[str, Mapping[str, Any]] = {
    "thumbnails": {"count": 4},
    "audio": {"format": "aac"},
    "clip": {"segments": [{"start": 1, "end": 3}]},
    "analyze": {"task": "hands", "sampleFps": SAMPLE_FPS},
    "transcode": {},
    "hls": {},
    "anonymize": {},
}
EVERY_RATE = 12
EVERY_MOST_SECONDS = 900
"""Of one kind, on a busy machine; each step may wait for its turn for a minute."""


@pytest.mark.parametrize("group", [512 * MIB], indirect=True)
@pytest.mark.parametrize("seconds", LENGTHS)
async def test_two_films_are_worked_on_within_512_mib_beside_photos_and_a_stream(stand: Stand, seconds: int) -> None:
    outcome = await work(stand, seconds)

    ends = {kind: end["state"] for kind, end in outcome.ends.items()}
    assert ends == {"transcode": "succeeded", "analyze": "succeeded"}, outcome.ends
    assert outcome.ends["transcode"]["result"]["summary"]["frames"] == seconds * RATE
    assert outcome.ends["analyze"]["result"]["summary"]["frames"] == seconds * SAMPLE_FPS
    assert_served(outcome)


@pytest.mark.parametrize("seconds", LENGTHS)
async def test_within_300_mib_they_are_refused_or_worked_on_in_a_smaller_way_as_soon_as_there_is_room(
    stand: Stand, seconds: int
) -> None:
    """Beside the jobs child, the zygote and a model that is in use there is none for 1080p: photos go first."""
    outcome = await work(stand, seconds, beside_seconds=30.0 + seconds)

    for kind, end in outcome.ends.items():
        if end["state"] != "succeeded":
            problem = end["error"]
            assert problem["code"] == "memory_exceeds_limit", (kind, problem)
            assert problem["neededBytes"] > problem["limitBytes"]
        elif kind == "transcode":
            is_smaller = end["result"]["summary"]["height"] < 1080
            assert is_smaller or end["memory"]["profile"] in ("LOW", "MINIMAL"), end["memory"]
            assert end["result"]["summary"]["frames"] == seconds * RATE
        else:
            assert end["result"]["summary"]["frames"] == seconds * SAMPLE_FPS
    assert_served(outcome)


@pytest.mark.timeout(7200)
async def test_within_300_mib_every_kind_ends_beside_photos_and_a_stream_that_do_not(stand: Stand) -> None:
    film = await asyncio.to_thread(face_film, stand.folder / "film.mp4", SHORT_SECONDS, EVERY_RATE, 4)
    frames = await asyncio.to_thread(extract_frames, HAND, 640, 360)
    outcome = Outcome()
    async with stand.serve(SETTINGS) as subject:
        media_id = await store(subject, film)
        async with watched(subject, outcome.runs), served(subject, frames, outcome):
            for kind, params in EVERY.items():
                async with asyncio.timeout(EVERY_MOST_SECONDS):
                    outcome.ends[kind] = await end_of(subject, await submit(subject, kind, media_id, params))
        counts = {name: await count(subject.service.port, name) for name in (KILLED, DIED)}
        outcome.killed = {"oom": stand.group.oom_kills(), **counts}
    print(outcome.sentence())  # noqa: T201 - for `pytest -rP`

    for kind, end in outcome.ends.items():
        assert end["state"] == "succeeded" or _is_told_both_numbers(end["error"]), (kind, end)
    assert_served(outcome)


def _is_told_both_numbers(problem: Mapping[str, Any]) -> bool:
    return bool(problem["code"] == "memory_exceeds_limit" and problem["neededBytes"] > problem["limitBytes"])
