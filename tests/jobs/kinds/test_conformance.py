"""What holds for every kind of job that is found: described, strict, planned the same each time, within its plan."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from PIL import Image
from pydantic import ValidationError

from app.bootstrap import House
from app.errors import BallastError
from app.ffmpeg.profiles import Profile
from app.jobs.job import JobMemory
from app.jobs.kind import JobKind
from app.jobs.params import JobParams
from app.jobs.source import Source, absent
from app.jobs.witness import Witness
from app.registry import discover
from tests.ffmpeg.clips import make
from tests.jobs.bench import Bench, bench
from tests.jobs.looks import looking_bench

KINDS: dict[str, type[JobKind[Any]]] = discover("app.jobs.kinds", JobKind)  # type: ignore[type-abstract]

PARAMS: dict[str, dict[str, Any]] = {
    "analyze": {"task": "face-detection"},
    "batch": {"width": 32},
    "clip": {"segments": [{"start": 0.2, "end": 0.8}]},
    "hls": {"heights": [90], "segmentSeconds": 1},
    "thumbnails": {"count": 3, "sheet": True, "sprite": True},
    "audio": {"loudness": -16, "waveform": True},
}
"""What a small job of a kind is asked for; of others, nothing."""

_OF_PICTURES = {"batch"}
_STEP_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")

CLIP = (
    *("-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=1", "-f", "lavfi", "-i", "sine=d=1"),
    *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("inputs")
    make(made / "a.mp4", *CLIP)
    Image.effect_noise((64, 48), 60).convert("RGB").save(made / "p.png")
    return made


def test_every_kind_of_the_contract_is_there() -> None:
    wanted = {"analyze", "anonymize", "audio", "batch", "clip", "hls", "thumbnails", "timelapse", "transcode"}

    assert set(KINDS) <= wanted
    assert {"audio", "hls", "thumbnails", "timelapse"} <= set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_says_what_it_does_and_describes_its_parameters(name: str) -> None:
    kind = KINDS[name]

    schema = kind.params.model_json_schema(by_alias=True)

    Draft202012Validator.check_schema(schema)
    assert kind.summary
    assert all("_" not in member for member in schema["properties"])


@pytest.mark.parametrize("name", [name for name in KINDS if name not in ("batch", "analyze")])
def test_a_parameter_that_is_not_known_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="notThere"):
        KINDS[name].params.model_validate({**PARAMS.get(name, {}), "notThere": 1})


async def opened(name: str, folder: Path) -> Bench:
    return await bench(folder, folder / ("p.png" if name in _OF_PICTURES else "a.mp4"))


@pytest.mark.parametrize("name", KINDS)
async def test_a_plan_is_the_same_each_time_and_says_what_it_takes(name: str, folder: Path) -> None:
    kind, at = KINDS[name](), await opened(name, folder)
    params: JobParams = kind.params.model_validate(PARAMS.get(name, {}))

    plan, again = (kind.plan(at.sources, params, at.means) for _ in range(2))

    names = [step.name for step in plan.steps]
    assert plan == again
    assert len(set(names)) == len(names) > 0
    assert all(_STEP_NAME.fullmatch(one) for one in names)
    assert all(step.words and step.weight > 0 for step in plan.steps)
    assert 0 < plan.predicted_bytes <= at.means.limit_bytes
    assert plan.disk_bytes > 0


@pytest.mark.parametrize("name", KINDS)
async def test_what_it_would_take_is_told_without_parameters(name: str, folder: Path) -> None:
    kind, at = KINDS[name](), await opened(name, folder)

    plan = kind.plan(at.sources, kind.params.model_validate(kind.usual(at.sources)), at.means)

    assert 0 < plan.predicted_bytes <= at.means.limit_bytes


@pytest.mark.parametrize("name", KINDS)
async def test_a_small_job_stays_within_what_its_plan_says(name: str, folder: Path, tmp_path: Path) -> None:
    kind = KINDS[name]()
    _copy_files(folder, tmp_path)

    async with looking_bench(tmp_path, tmp_path / ("p.png" if name in _OF_PICTURES else "a.mp4")) as (at, house):
        await _store(at, house, tmp_path)
        at.ffmpeg = witness = Witness(at.ffmpeg, JobMemory(0, 0, None))
        summary = await at.do_all(kind, **PARAMS.get(name, {}))

    assert at.plan is not None
    assert at.kept
    assert isinstance(summary, dict)
    assert witness.memory.peak_bytes <= at.plan.predicted_bytes
    assert _taken_bytes(at.folder) <= at.plan.disk_bytes


def _copy_files(source: Path, target: Path) -> None:
    for path in source.iterdir():
        if path.is_file():
            (target / path.name).write_bytes(path.read_bytes())


def _taken_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and "results" not in path.parts)


async def _store(at: Bench, house: House, folder: Path) -> None:
    """Put pictures into the house's store, where kinds of pictures read them."""
    if not at.sources[0].is_picture:
        return

    async def chunks() -> Any:
        yield data

    data = _bytes_of(folder / "p.png")
    at.sources = [Source(await house.media.uploads.receive(chunks(), "p.png", None))]


def _bytes_of(path: Path) -> bytes:
    return path.read_bytes()


@pytest.mark.parametrize("name", KINDS)
async def test_what_is_no_input_for_a_kind_is_a_named_problem(name: str, folder: Path) -> None:
    kind, at = KINDS[name](), await opened(name, folder)
    sound = make(folder / "sound.m4a", "-f", "lavfi", "-i", "sine=d=0.5")
    tiny = make(folder / "tiny.mkv", "-f", "lavfi", "-i", "color=s=2x2:d=0.2", "-c:v", "ffv1")
    params: JobParams = kind.params.model_validate(PARAMS.get(name, {}))
    inputs = [*at.sources]
    for path in (sound, tiny, folder / "p.png"):
        inputs += (await bench(folder, path)).sources

    found = [_planned(kind, source, lambda _: params, at) for source in inputs]
    as_usual = [
        _planned(kind, source, lambda one: kind.params.model_validate(kind.usual([one])), at) for source in inputs
    ]

    assert found[0] == as_usual[0] == "planned"
    assert {*found, *as_usual} <= {"planned", 413, 415, 422}


def _planned(kind: JobKind[Any], source: Source, params: Callable[[Source], JobParams], at: Bench) -> str | int:
    """Return that there is a plan, or the status of the problem that there is instead."""
    try:
        kind.plan([source], params(source), at.means)
    except BallastError as error:
        return error.status
    return "planned"


def test_what_stands_for_a_missing_picture_is_one() -> None:
    assert absent("i" + "0" * 21).is_picture


@pytest.mark.parametrize("name", KINDS)
async def test_how_much_is_worked_on_at_a_time_is_told_where_a_job_is_cut_into_parts(name: str, folder: Path) -> None:
    kind, at = KINDS[name](), await opened(name, folder)
    params: JobParams = kind.params.model_validate(PARAMS.get(name, {}))
    source = at.sources[0]
    if source.probe is not None:
        video = replace(source.video, duration_seconds=18_000.0)
        source = Source(source.item, replace(source.probe, duration_seconds=18_000.0, video=video))

    plan = kind.plan([source], params, at.means)

    parts = sum(bool(re.match(r"(part|draw|p90)-\d{4}$", step.name)) for step in plan.steps)
    if name in ("anonymize", "hls", "timelapse", "transcode"):
        assert plan.chunk_seconds == pytest.approx(18_000 / parts, rel=0.05 if name == "hls" else 1e-6)
    else:
        assert plan.chunk_seconds == {"analyze": 60.0, "clip": pytest.approx(0.6)}.get(name)


@pytest.mark.parametrize("name", ["anonymize", "clip", "hls", "timelapse", "transcode"])
async def test_the_ways_of_a_plan_are_those_that_fit_with_the_planned_one_first(name: str, folder: Path) -> None:
    kind, at = KINDS[name](), await opened(name, folder)

    plan = kind.plan(at.sources, kind.params.model_validate(PARAMS.get(name, {})), at.means)

    needed = [needed_bytes for _, needed_bytes in plan.ways]
    assert (plan.ways[0][0].profile.name, needed[0]) == (plan.profile, plan.predicted_bytes)
    assert needed == sorted(needed, reverse=True)
    assert any(rung.profile is Profile.MINIMAL for rung, _ in plan.ways)
