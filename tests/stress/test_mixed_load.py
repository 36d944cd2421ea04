"""What Ballast exists for: photos, streams and a large upload at once, within 300 MiB."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.domain.units import GIB, MIB
from app.memory.cgroup import find_cgroup
from app.settings import Settings
from soak.cgroup import MemoryGroup
from soak.plan import SoakPlan
from soak.runner import run_soak
from soak.tally import Tally
from soak.verdict import Verdict, render
from soak.watch import Watched
from tests.media_files import media_folder
from tests.stress.running import LIMIT_BYTES

pytestmark = [pytest.mark.model, pytest.mark.photo]

_TIMES = {"/health/live p50/p95/p99"}
"""Rows that are of times: a busy machine is no fault of the short form."""

SHORT = SoakPlan(LIMIT_BYTES, photos=100, photos_folder=media_folder(), streams=2, upload_bytes=200 * MIB)
FULL = SoakPlan(LIMIT_BYTES, photos=3000, photos_folder=media_folder(), streams=4, upload_bytes=GIB)


@pytest.mark.usefixtures("group")  # skips where there can be none
async def test_a_short_mixed_load_stays_within_300_mib(folder: Path) -> None:
    verdict = await _run(SHORT, folder)

    assert not _missed(verdict) - _TIMES, render(verdict)


@pytest.mark.usefixtures("group")
async def test_several_tasks_in_turn_stay_within_300_mib_and_what_was_not_tried_is_named(folder: Path) -> None:
    verdict = await _run(replace(SHORT, photos=60, tasks=("hands", "face-detection"), upload_bytes=MIB), folder)

    assert not _missed(verdict) - _TIMES, render(verdict)
    assert sorted(verdict.row("photos by task").found.split(", ")) == ["face-detection: 30", "hands: 30"]
    (left,) = [remark for remark in verdict.remarks if remark.startswith("not tried: ")]
    assert "jobs" in left
    assert "pose" in left
    assert "hands" not in left


@pytest.mark.parametrize("group", [768 * MIB], indirect=True)
@pytest.mark.usefixtures("group")
async def test_a_short_mixed_load_with_jobs_stays_within_768_mib(folder: Path) -> None:
    plan = replace(SHORT, limit_bytes=768 * MIB, photos=60, upload_bytes=MIB, jobs=1)

    verdict = await _run(plan, folder)

    assert not _missed(verdict) - _TIMES, render(verdict)
    assert "succeeded" in verdict.row("jobs").found
    assert "jobs of other kinds than transcode" in "".join(verdict.remarks)


@pytest.mark.stress
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("group")
async def test_three_thousand_photos_four_streams_and_a_gibibyte_stay_within_300_mib(folder: Path) -> None:
    verdict = await _run(FULL, folder)

    assert not _missed(verdict), render(verdict)


async def _run(plan: SoakPlan, folder: Path) -> Verdict:
    settings = Settings()
    settings = settings.model_copy(update={"storage": settings.storage.model_copy(update={"root": folder})})
    seen: list[tuple[Tally, Watched]] = []

    outcome = await run_soak(plan, settings, lambda *progress: seen.append(progress))

    assert seen
    assert any(remark.startswith("in a memory control group") for remark in outcome.verdict.remarks)
    return outcome.verdict


def _missed(verdict: Verdict) -> set[str]:
    """Return the names of the promises that were not kept."""
    return {row.name for row in verdict.rows if row.passed is False}


def test_the_group_is_really_limited(group: MemoryGroup) -> None:
    found = find_cgroup()
    assert found is not None

    name = "memory.max" if found.version == 2 else "memory.limit_in_bytes"

    assert int((group.path / name).read_text()) == LIMIT_BYTES
