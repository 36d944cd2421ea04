"""Numbers that are none, or larger or smaller than any that makes sense, in every parameter of every kind."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.errors import BallastError
from app.images import params as image_params
from app.jobs.kind import JobKind
from app.jobs.order_form import read_form, read_params
from app.jobs.plan import Plan
from app.registry import discover
from app.vision import params as task_params
from app.vision.task import vision_tasks
from tests.ffmpeg.clips import make
from tests.jobs.bench import Bench, bench

KINDS: dict[str, type[JobKind[Any]]] = discover("app.jobs.kinds", JobKind)  # type: ignore[type-abstract]

NUMBERS = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e306", "-1e306", "1e15", "0.01", "5e-324", "-5e-324"),
    *("0", "-0.0", "-1", str(2**31), str(2**63), "9" * 400, "-" + "9" * 400, "9" * 5000),
)
"""As they stand in JSON; the last has more digits than Python reads (`sys.set_int_max_str_digits`)."""

_HERE = "the number"

BASES: dict[str, list[dict[str, Any]]] = {
    "analyze": [{"task": name} for name in vision_tasks()] + [{"task": "hands", "keyframes": True}, {"blur": True}],
    "audio": [{"waveform": True, "loudness": -16}],
    "batch": [{"width": 32}, *({"task": name} for name in vision_tasks())],
    "clip": [{"segments": [{"start": 0.2, "end": 0.8}]}],
    "thumbnails": [{"sheet": True, "sprite": True}],
}
"""What else is asked for of a kind; of others, nothing."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("inputs")
    make(made / "a.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=1", "-f", "lavfi", "-i", "sine=d=1")
    Image.effect_noise((64, 48), 60).convert("RGB").save(made / "p.png")
    return made


def _schemas(kind: JobKind[Any], base: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield kind.params.model_json_schema(by_alias=True)
    if task := base.get("task"):
        yield task_params.query_model(vision_tasks()[task]).model_json_schema()
    elif kind.name == "batch":
        yield image_params.query_model().model_json_schema()


def _numbers(
    schema: dict[str, Any], root: dict[str, Any], path: tuple[str | int, ...] = ()
) -> Iterator[tuple[Any, ...]]:
    """Give the places of a schema at which a number may stand."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    for one in schema.get("anyOf", ()):
        yield from _numbers(one, root, path)
    if schema.get("type") in ("integer", "number"):
        yield path
    if schema.get("type") == "array":
        yield from _numbers(schema["items"], root, (*path, 0))
    for name, one in schema.get("properties", {}).items():
        yield from _numbers(one, root, (*path, name))


def _with_mark(node: Any, path: tuple[str | int, ...]) -> Any:
    """Return parameters with the mark at a place."""
    if not path:
        return _HERE
    first, *rest = path
    if isinstance(first, int):
        return [_with_mark((node or [None])[0], tuple(rest))]
    return {**(node or {}), first: _with_mark((node or {}).get(first), tuple(rest))}


def _planned(kind: JobKind[Any], at: Bench, body: str) -> Plan | BallastError:
    """Return the plan of a job, or the problem with which it is refused."""
    try:
        params = read_params(kind, read_form(body.encode()).params)
        return kind.plan(at.sources, params, at.means)
    except BallastError as error:
        return error


@pytest.mark.parametrize("name", KINDS)
async def test_no_number_makes_more_than_a_plan_or_a_named_problem(name: str, folder: Path) -> None:
    kind, found = KINDS[name](), 0
    at = await bench(folder, folder / ("p.png" if name == "batch" else "a.mp4"))
    for base in BASES.get(name, [{}]):
        places = {path for schema in _schemas(kind, base) for path in _numbers(schema, schema)}
        for body in (
            json.dumps({"kind": name, "input": "i", "params": _with_mark(base, path)}).replace(f'"{_HERE}"', number)
            for path in sorted(places, key=str)
            for number in NUMBERS
        ):
            found += 1
            plan = _planned(kind, at, body)
            if isinstance(plan, BallastError):
                assert 400 <= plan.status < 500
                json.dumps(plan.problem(None), allow_nan=False)
                continue
            assert not re.search(r"NaN|Infinity|1e999|\d{19}|1e306", body), f"accepted: {body[:200]}"
            assert all(math.isfinite(step.weight) for step in plan.steps)
            assert 0 < plan.disk_bytes < 1 << 62
            json.dumps([dict(step.args) for step in plan.steps], allow_nan=False)

    assert found >= len(NUMBERS)
