"""The README does what it says: its command is run, and its answer compared with what it shows."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from app.command import find_commands
from app.main import create_app
from app.settings import Settings
from app.vision.task import vision_tasks
from tests.e2e.server import RunningServer, run_server
from tests.media_files import REPOSITORY, photo

PICTURE = "thumb_up.jpg"
ADDRESS = "http://127.0.0.1:8000"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MAKE = re.compile(r"\bmake ([a-z][a-z-]*)")
_LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
_QUOTED_FILE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|sh|md|yml|yaml|toml|txt|html|js|css))`")
_ENDPOINT = re.compile(r"`(GET|POST|HEAD|DELETE|PUT|PATCH) (/[^`?]*)`")
_ELLIPSIS = re.compile(r"\.\.\. (\d+) more")


@cache
def readme() -> str:
    return (REPOSITORY / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return [body for name, body in _BLOCK.findall(readme()) if name == language]


def curl_command() -> str:
    (command,) = [body.strip() for body in blocks("console") if "curl" in body]
    return command


def example() -> dict[str, Any]:
    (text,) = blocks("json")
    document: dict[str, Any] = json.loads(text)
    return document


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("readme"), {"VISION__WORKERS": "1"}) as server:
        yield server


@pytest.mark.model("gesture_recognizer.task")
@pytest.mark.photo
def test_the_command_gives_what_is_shown(server: RunningServer, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    assert curl is not None, "the README's command needs curl"
    shutil.copy(photo(PICTURE).path, tmp_path)
    assert ADDRESS in curl_command()
    words = shlex.split(curl_command().replace(ADDRESS, server.url))
    assert words[0] == "curl"

    ran = subprocess.run(
        [curl, "--silent", "--show-error", *words[1:]], cwd=tmp_path, capture_output=True, timeout=30, check=True
    )

    answer = json.loads(ran.stdout)
    shown = example()
    assert differences(shown, answer) == []
    assert shown.keys() <= answer.keys()


def differences(shown: Any, real: Any, where: str = "answer") -> list[str]:
    """Return where `real` is not what is shown: numbers are compared as precisely as they are shown, times not at all.

    A list may end with "... n more": it stands for n further elements.
    """
    match shown:
        case dict():
            missing = [f"{where}.{name} is missing" for name in shown if name not in real]
            inner = [differences(shown[name], real[name], f"{where}.{name}") for name in shown if name in real]
            return missing + [one for found in inner for one in found]
        case [*head, str(last)] if (rest := _ELLIPSIS.fullmatch(last)) is not None:
            count = len(head) + int(rest[1])
            wrong_count = [f"{where} has {len(real)} elements, not {count}"] if len(real) != count else []
            return wrong_count + differences(head, real[: len(head)], where)
        case list():
            wrong_count = [f"{where} has {len(real)} elements, not {len(shown)}"] if len(real) != len(shown) else []
            inner = [
                differences(one, other, f"{where}[{n}]")
                for n, (one, other) in enumerate(zip(shown, real, strict=False))
            ]
            return wrong_count + [one for found in inner for one in found]
        case float() if where.endswith("Seconds"):
            return [] if isinstance(real, int | float) and real >= 0 else [f"{where} is no time: {real}"]
        case float():
            digits = len(repr(shown).partition(".")[2])
            # One unit of the last place: another processor's arithmetic may round the other way.
            return [] if abs(real - shown) <= 1.5 * 10**-digits else [f"{where} is {real}, not {shown}"]
        case _:
            return [] if real == shown else [f"{where} is {real!r}, not {shown!r}"]


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
