"""The documentation against the code: what it lists is all there is, and what it refers to is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIWebSocketRoute, iter_route_contexts

from app.domain.pressure import PressureLevel, ProcessingMode
from app.errors import BallastError
from app.images.params import query_model
from app.main import EXPOSED_HEADERS, create_app
from app.settings import Settings
from app.settings.variables import environment_names
from app.status.metrics import render
from app.status.schema import MemorySchema
from app.storage.discovery import complete_settings
from app.vision.task import vision_tasks
from scripts.images_table import table
from tests.media_files import REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *REPOSITORY.glob("*.md")])
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))
SOURCES = ("app", "benchmarks", "scripts", "tests", "static", "requirements", ".ci")
HEADINGS = ["## Context", "## Decision", "## Consequences", "## Alternatives"]

SETTINGS = [name for name, _, _ in environment_names(complete_settings())]

_ERROR_ROW = re.compile(r"^\| `([a-z_]+)` \| (\d{3}) \|", re.MULTILINE)
_VARIABLE = re.compile(r"\bBALLAST_[A-Z]+__[A-Z_]+\b")
_LINK = re.compile(r"\]\(([^)#][^)]*)\)")
_ENDPOINT = re.compile(r"`(GET|POST|HEAD|DELETE|PUT|PATCH|OPTIONS|WS) (/[^`?]*)`")

# Working papers that whoever has only this repository cannot read.
_PAPERS = re.compile(r"(facts|shared/facts)/|\b(DESIGN|API|style|field|data[-]path)\.md")


@cache
def _text(path: Path) -> str:
    return path.read_text()


def _contract() -> str:
    """Return the contract without its line breaks, which may stand in the middle of what is looked for."""
    return " ".join(_text(DOCS / "contract.md").split())


def _routes() -> Iterator[tuple[str, str]]:
    """Give every route that is described, and the WebSockets, which OpenAPI has no place for."""
    app = create_app(Settings())
    document: dict[str, Any] = app.openapi()
    for path, operations in document["paths"].items():
        for method in operations:
            yield method.upper(), path
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIWebSocketRoute):
            yield "WS", str(route.path)


def _names(pages: list[Path]) -> list[str]:
    return [path.relative_to(REPOSITORY).as_posix() for path in pages]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_documented(name: str) -> None:
    row = next((line for line in _text(DOCS / "settings.md").splitlines() if line.startswith(f"| `{name}` |")), "")

    assert len(row.split("|")[3].strip() if row else "") > 10


@pytest.mark.parametrize("path", PAGES, ids=_names(PAGES))
def test_a_page_names_only_settings_that_there_are(path: Path) -> None:
    known = set(SETTINGS)

    assert set(_VARIABLE.findall(_text(path))) <= known


def test_every_error_is_in_the_contract_with_its_status_and_no_other() -> None:
    documented = {code: int(status) for code, status in _ERROR_ROW.findall(_text(DOCS / "contract.md"))}

    assert documented == {error.code: error.status for error in BallastError.__subclasses__()}


def test_every_route_is_in_the_contract() -> None:
    missing = [f"{method} {path}" for method, path in _routes() if f"`{method} {path}`" not in _contract()]

    assert missing == []


def test_the_contract_claims_no_route_that_is_not_built() -> None:
    built = {*_routes(), ("GET", "/openapi.json"), ("GET", "/docs")}

    assert set(_ENDPOINT.findall(_contract())) <= built


@pytest.mark.parametrize("name", sorted(vision_tasks()))
def test_every_task_and_its_parameters_are_in_the_contract(name: str) -> None:
    params = [_camel(field) for field in vision_tasks()[name].Params.__dataclass_fields__]

    assert [word for word in (name, *params) if f"`{word}`" not in _contract()] == []


def test_the_table_of_image_parameters_is_that_of_the_operations() -> None:
    assert table() in _text(DOCS / "images.md")


def test_every_image_parameter_is_in_the_contract() -> None:
    names = [field.alias for field in query_model().model_fields.values()]

    assert [name for name in names if f"`{name}`" not in _contract()] == []


def test_the_contract_names_every_member_of_every_answer() -> None:
    schemas = create_app(Settings()).openapi()["components"]["schemas"]
    members = {name for schema in schemas.values() for name in schema.get("properties", {})}
    # Members of FastAPI's own description of an error.
    others = {"ctx", "input", "loc", "msg"}

    assert [name for name in sorted(members - others) if not re.search(rf"\b{name}\b", _contract())] == []


def test_the_contract_lists_the_members_of_the_memory_probe_and_no_others() -> None:
    schema = MemorySchema.model_json_schema()
    shapes = [schema, *schema["$defs"].values()]
    section = _contract().partition("### `GET /metrics/memory`")[2].partition("### ")[0]
    listed = {name for span in re.findall(r"`([^`]*)`", section) for name in re.findall(r'^\w+$|(?<=")\w+(?=")', span)}
    values = {"api", "zygote", "vision", "ffmpeg", "other", "cgroup1", "cgroup2", "setting", "physical"}
    values |= {"images", "counter", "inferred", "fork", "exec", "required"}
    of_the_sandbox = {
        "policy", "network", "landlock", "missing", "observed", "dataLimitBytes", "oomScoreAdj", "parentDeathSignal",
        "startMethod", "obstacle", "imaging",
    }  # fmt: skip

    members = {name for name in listed if not name.isupper()} - values - of_the_sandbox
    assert members == {name for shape in shapes for name in shape.get("properties", {})}


def test_the_headers_that_a_page_of_another_origin_may_read_are_those_of_the_contract() -> None:
    listed = _contract().partition("may read (CORS): ")[2].partition(".")[0]

    assert re.findall(r"`([^`]*)`", listed) == EXPOSED_HEADERS


def test_levels_and_modes_are_told_side_by_side() -> None:
    for level, mode in zip(PressureLevel, ProcessingMode, strict=True):
        assert f"| {level.name} | {mode.value} |" in _text(DOCS / "architecture.md")


async def test_every_metric_is_documented(tmp_path: Path) -> None:
    documented = set(re.findall(r"`([a-z_]+)(?:\{[a-z]+\})?`", _text(DOCS / "operations.md")))
    settings = Settings.model_validate({"storage": {"root": tmp_path / "var", "allow_tmpfs": True}})
    app = create_app(settings)

    async with app.router.lifespan_context(app) as state:
        body, _ = render((state or {})["status"])

    exposed = set(re.findall(r"^# TYPE ballast_(\w+)", body.decode(), re.MULTILINE))
    assert exposed
    assert exposed - documented == set()


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


@pytest.mark.parametrize("path", DECISIONS, ids=_names(DECISIONS))
def test_a_decision_says_why(path: Path) -> None:
    headings = [line for line in _text(path).splitlines() if line.startswith("## ")]

    assert headings == HEADINGS
    assert _text(path).startswith(f"# {path.name[:4]}: ")


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("path", PAGES, ids=_names(PAGES))
def test_links_lead_somewhere(path: Path) -> None:
    targets = [target.partition("#")[0] for target in _LINK.findall(_text(path)) if "://" not in target]

    assert [target for target in targets if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=_names(PAGES))
def test_files_that_are_named_are_there(path: Path) -> None:
    pattern = r"`((?:app|tests|benchmarks|scripts|docs|requirements)/[\w./-]+\.\w+)`"

    assert [name for name in re.findall(pattern, _text(path)) if not (REPOSITORY / name).exists()] == []


def test_decisions_that_are_referred_to_are_there() -> None:
    numbers = {path.name[:4] for path in DECISIONS}
    named = {match for path in _sources() for match in re.findall(r"docs/decisions/(\d{4})", _text(path))}

    assert named <= numbers


def test_nothing_refers_to_papers_that_are_not_here() -> None:
    found = [path.relative_to(REPOSITORY).as_posix() for path in _sources() if _PAPERS.search(_text(path))]

    assert found == []


def _sources() -> Iterator[Path]:
    """Give every text file that people read."""
    yield from PAGES
    yield from (REPOSITORY / name for name in ("Dockerfile", "Makefile", "docker-compose.yml", "pyproject.toml"))
    for folder in SOURCES:
        for path in sorted((REPOSITORY / folder).rglob("*")):
            if path.is_file() and path.suffix in (".py", ".sh", ".js", ".css", ".html", ".txt", ""):
                yield path
