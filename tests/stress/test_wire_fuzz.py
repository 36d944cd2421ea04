"""Bytes changed at random on what clients send: nothing unexpected is logged, nothing grows, and nothing is left."""

from __future__ import annotations

import os
import re
import secrets
from collections import Counter
from collections.abc import Callable

import pytest

from benchmarks.usage import anonymous_bytes
from soak.cgroup import MemoryGroup
from tests.stress.fuzz.cases import make_case
from tests.stress.fuzz.recorded import recordings
from tests.stress.fuzz.sender import Fuzz
from tests.stress.running import Caller, Stand, Subject

pytestmark = [pytest.mark.model, pytest.mark.photo]

_GROWTH_BYTES = 8_000_000
_WARM_UP_SECONDS = 4.0
_SHORT_SECONDS, _LONG_SECONDS = 20.0, 1800.0
_NAMED: tuple[str, ...] = ()
"""Messages of level error that the fuzz may cause; there are none."""

Recorder = Callable[[str, object], None]


@pytest.mark.timeout(180)
async def test_twenty_seconds_of_changed_bytes_do_nothing(
    stand: Stand, group: MemoryGroup, record_property: Recorder
) -> None:
    await fuzz(stand, group, _SHORT_SECONDS, record_property)


@pytest.mark.stress
@pytest.mark.timeout(2400)
async def test_half_an_hour_of_changed_bytes_does_nothing(
    stand: Stand, group: MemoryGroup, record_property: Recorder
) -> None:
    await fuzz(stand, group, _LONG_SECONDS, record_property)


def test_a_seed_and_a_number_always_make_the_same_case() -> None:
    known = recordings()

    cases = [make_case("seed", number, known) for number in range(200)]

    assert cases == [make_case("seed", number, known) for number in range(200)]
    assert cases != [make_case("other", number, known) for number in range(200)]


async def fuzz(stand: Stand, group: MemoryGroup, seconds: float, record_property: Recorder) -> None:
    """Send cases for so long; `BALLAST_FUZZ_SEED` repeats a run."""
    seed = os.environ.get("BALLAST_FUZZ_SEED") or secrets.token_hex(4)
    record_property("seed", seed)
    run = Fuzz(seed, recordings())
    async with stand.serve() as subject:
        await Caller(subject).send(4)
        await run.run(subject.service.port, _WARM_UP_SECONDS)
        await subject.until(lambda report: report["streams"]["active"] == 0)
        footprint, before_bytes = await subject.footprint(), anonymous_bytes(subject.service.pid)

        await run.run(subject.service.port, seconds, first=run.sent)

        told = f"seed {seed}, {run.sent} cases, {dict(run.answers)}"
        record_property("cases", told)
        assert run.wrong == {}, f"{told}\n{subject.service.tail()}"
        assert not (errors := _errors(subject)), told + "".join(f"\n{n} times {one}" for one, n in errors.items())
        assert group.oom_kills() == 0, told
        await subject.assert_nothing_is_left(footprint)
        await subject.until(lambda _: anonymous_bytes(subject.service.pid) <= before_bytes + _GROWTH_BYTES)
        caller = Caller(subject)
        await caller.send(4)
        assert caller.answers["200"] >= 1, told
        assert caller.bad == []
        assert run.answers["200"] > 0, told
        assert run.answers["400"] > 0, told


def _errors(subject: Subject) -> Counter[str]:
    """Count the lines of the log that are errors, have a traceback, or are no lines of our log at all."""
    wrong = Counter[str]()
    for line in subject.service.log_lines():
        is_error = line.get("level") in (None, "error", "critical") or "traceback" in line
        if is_error and line["message"] not in _NAMED:
            trace = re.sub(r"0x[0-9a-f]+", "0x...", str(line.get("traceback", "")))
            wrong[f"{line['message']}\n{trace[-700:]}"] += 1
    return wrong
