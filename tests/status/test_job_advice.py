"""Whether a job would run now: as the run of ffmpeg would decide it when it begins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.domain.pressure import FFmpegProfile
from app.domain.units import MIB
from app.errors import InvalidMedia
from app.ffmpeg.profiles import Profile, Rung
from app.jobs.engine.child import ENGINE_BYTES
from app.jobs.plan import Plan, Step
from app.jobs.room import JobsRoom
from app.status.job_advice import job_advice
from app.status.schema import AdviceSchema

WAYS = (
    (Rung(Profile.HIGH), 800 * MIB),
    (Rung(Profile.BALANCED), 500 * MIB),
    (Rung(Profile.LOW), 300 * MIB),
    (Rung(Profile.MINIMAL), 200 * MIB),
)
PLAN = Plan([Step("part-0001", "encoding")], 800 * MIB, 10 * MIB, "HIGH", ways=WAYS, chunk_seconds=12.5)


def room(*, taken: int = 0, is_running: bool = True, trouble: str | None = None) -> JobsRoom:
    engine = SimpleNamespace(is_running=is_running, trouble=trouble)
    return cast("JobsRoom", SimpleNamespace(engine=engine, slots=SimpleNamespace(taken=taken), workers=1))


def advised(free_bytes: int, profile: FFmpegProfile = FFmpegProfile.HIGH, level: str = "LOW") -> AdviceSchema:
    members: Any = {"level": level, "free_bytes": free_bytes, "ffmpeg_profile": profile}
    return AdviceSchema.model_construct(**members)


@pytest.mark.parametrize(
    ("free", "allowed", "runs", "profile", "needed"),
    [
        (900, FFmpegProfile.HIGH, True, "HIGH", 800),
        (600, FFmpegProfile.HIGH, True, "BALANCED", 500),
        (350, FFmpegProfile.HIGH, True, "LOW", 300),
        (250, FFmpegProfile.HIGH, False, "LOW", 300),
        (900, FFmpegProfile.BALANCED, True, "BALANCED", 500),
        (900, FFmpegProfile.LOW, True, "LOW", 300),
        (900, FFmpegProfile.MINIMAL, True, "MINIMAL", 200),
    ],
)
def test_it_is_told_with_which_profile_it_would_begin(
    free: int, allowed: FFmpegProfile, runs: bool, profile: str, needed: int
) -> None:
    found = job_advice("transcode", PLAN, advised(free * MIB, allowed), room())

    assert (found.runs_now, found.profile, found.predicted_bytes) == (runs, profile, needed * MIB)
    assert (found.reason is None) is runs
    assert (found.chunk_seconds, found.steps, found.disk_bytes) == (12.5, 1, 10 * MIB)


def test_a_job_that_encodes_nothing_needs_what_its_plan_says() -> None:
    plan = Plan([Step("sound", "encoding the sound")], 40 * MIB, 10 * MIB)

    fits, fits_not = (job_advice("audio", plan, advised(free * MIB), room()) for free in (50, 30))

    assert (fits.runs_now, fits.profile, fits.predicted_bytes, fits.chunk_seconds) == (True, None, 40 * MIB, None)
    assert fits_not.reason == f"It needs {40 * MIB} bytes; {30 * MIB} are free."


def test_what_is_in_its_way_is_named() -> None:
    plenty = advised(900 * MIB)

    found = [
        job_advice("transcode", InvalidMedia("It is broken."), plenty, room()),
        job_advice("transcode", PLAN, advised(900 * MIB, level="CRITICAL"), room()),
        job_advice("transcode", PLAN, plenty, room(taken=1)),
        job_advice("transcode", PLAN, plenty, room(trouble="the jobs child does not start")),
        job_advice("audio", Plan([], 1, 1), advised(ENGINE_BYTES - 1), room(is_running=False)),
    ]

    assert not any(one.runs_now for one in found)
    for one, word in zip(found, ("broken", "critical", "turn", "child", str(ENGINE_BYTES)), strict=True):
        assert word in str(one.reason)
