"""What generators make of `/openapi.json` compiles, and lacks nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import Programs
from tests.clients.generators import PACKAGE, openapi_generator, openapi_python_client, openapi_typescript

STRICT = ("--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom,dom.iterable")


@pytest.fixture(scope="module")
def operation_ids(description: Path) -> set[str]:
    document: dict[str, Any] = json.loads(description.read_text())
    return {operation["operationId"] for item in document["paths"].values() for operation in item.values()}


def test_openapi_python_client_makes_every_operation_without_a_warning(
    python_programs: Programs, description: Path, operation_ids: set[str], tmp_path: Path
) -> None:
    said = openapi_python_client(python_programs, description, tmp_path)

    modules = {path.stem for path in (tmp_path / PACKAGE / "api").glob("*/*.py")} - {"__init__"}
    assert "WARNING" not in said, said
    assert modules == operation_ids
    # Its `client.py` is the same for every description, and hands `*args: object` to httpx.
    (tmp_path / "mypy.ini").write_text(f"[mypy]\n[mypy-{PACKAGE}.client]\nignore_errors = True\n")
    assert "Success" in python_programs.run("mypy", "--config-file", "mypy.ini", "-p", PACKAGE, cwd=tmp_path)


def test_openapi_generator_makes_python_with_every_operation(
    python_programs: Programs, description: Path, operation_ids: set[str], tmp_path: Path
) -> None:
    openapi_generator(python_programs, "python", description, tmp_path)

    assert _methods(tmp_path / PACKAGE / "api", "    def {}(") >= operation_ids
    assert "Success" in python_programs.run("mypy", "--config-file", "/dev/null", "-p", PACKAGE, cwd=tmp_path)


def test_openapi_generator_makes_typescript_with_every_operation(
    python_programs: Programs,
    node_programs: Programs,
    description: Path,
    operation_ids: set[str],
    tmp_path: Path,
) -> None:
    openapi_generator(python_programs, "typescript-fetch", description, tmp_path)

    made = _methods(tmp_path / "apis", "    async {}(")
    assert {name.replace("_", "").lower() for name in operation_ids} <= {name.lower() for name in made}
    node_programs.run("tsc", *STRICT, "--module", "esnext", "--moduleResolution", "bundler",
                      "index.ts", cwd=tmp_path)  # fmt: skip


def test_openapi_typescript_makes_types_that_compile(
    node_programs: Programs, description: Path, operation_ids: set[str], tmp_path: Path
) -> None:
    types = openapi_typescript(node_programs, description, tmp_path)

    text = types.read_text()
    assert [name for name in operation_ids if f"\n    {name}: {{" not in text] == []
    node_programs.run("tsc", *STRICT, types.name, cwd=tmp_path)


def test_a_type_has_one_name(description: Path) -> None:
    """An object that is described where it stands is a type of its own in every client, for each place."""
    document = json.loads(description.read_text())

    assert list(_nameless(document["paths"])) == []


def _nameless(node: Any, where: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        if node.get("type") == "object" and "properties" in node and "contentSchema" not in where:
            yield where
        for key, value in node.items():
            yield from _nameless(value, f"{where}/{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _nameless(value, f"{where}/{number}")


def _methods(folder: Path, pattern: str) -> set[str]:
    before, after = pattern.split("{}")
    lines = [line for path in folder.iterdir() if path.is_file() for line in path.read_text().splitlines()]
    return {line.removeprefix(before).split(after)[0] for line in lines if line.startswith(before)}
