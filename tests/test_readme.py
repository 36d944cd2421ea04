"""The README names what there is. Its commands are run by tests/manual, with those of all other pages."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from app.command import find_commands
from app.main import create_app
from app.settings import Settings
from app.vision.task import vision_tasks
from tests.manual.shown import differences
from tests.media_files import REPOSITORY, photo

PICTURE = "thumb_up.jpg"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MAKE = re.compile(r"\bmake ([a-z][a-z-]*)")
_LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
_QUOTED_FILE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|sh|md|yml|yaml|toml|txt|html|js|css))`")
_ENDPOINT = re.compile(r"`(GET|POST|HEAD|DELETE|PUT|PATCH) (/[^`?]*)`")


@cache
def readme() -> str:
    return (REPOSITORY / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return [body for name, body in _BLOCK.findall(readme()) if name == language]


def curl_command() -> str:
    """Return the first: the one whose answer is shown in full (tests/manual runs all of them)."""
    return next(body.strip() for body in blocks("console") if "curl" in body)


def example() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(blocks("json")[0])
    return document


def test_a_wrong_example_would_be_seen() -> None:
    real = {"width": 640, "score": 0.9712, "points": [1, 2, 3], "queuedSeconds": 7.0}

    assert differences({"width": 640, "score": 0.97, "points": [1, "... 2 more"], "queuedSeconds": 0.1}, real) == []
    for wrong in ({"width": 641}, {"score": 0.95}, {"points": [1, "... 3 more"]}, {"points": [1, 2]}, {"height": 1}):
        assert len(differences(wrong, real)) == 1


def test_the_example_is_of_this_command() -> None:
    shown = example()

    assert f"/v1/vision/{shown['task']}" in curl_command()
    assert f"@{PICTURE}" in curl_command()
    assert (shown["width"], shown["height"]) == (photo(PICTURE).width, photo(PICTURE).height)


def test_every_target_of_make_is_there() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    named = set(_MAKE.findall(readme()))

    assert named >= {"run", "test"}
    assert named - targets == set()


def test_every_command_of_ballast_is_there() -> None:
    named = set(re.findall(r"`ballast ([a-z]+)", readme()))

    assert named
    assert named - find_commands("app.commands").keys() == set()


def test_every_file_is_there() -> None:
    named = {name for name in _LINK.findall(readme()) if "://" not in name} | set(_QUOTED_FILE.findall(readme()))

    assert named
    assert [name for name in sorted(named) if not (REPOSITORY / name).exists()] == []


def test_every_endpoint_is_there() -> None:
    paths = create_app(Settings()).openapi()["paths"]
    built = {(method.upper(), _shape(path)) for path, methods in paths.items() for method in methods}
    named = {(method, _shape(path)) for method, path in _ENDPOINT.findall(readme())}

    assert named
    # A task's address stands for those of all tasks.
    assert {(method, path) for method, path in named - built if not path.startswith("/v1/vision/{}")} == set()
    assert ("POST", "/v1/vision/hands") in built


def _shape(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


def test_every_task_is_named() -> None:
    assert [name for name in vision_tasks() if f"`{name}`" not in readme()] == []


def test_every_block_that_looks_like_json_is_json() -> None:
    for text in blocks("json"):
        assert json.loads(text)
