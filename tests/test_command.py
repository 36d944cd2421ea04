"""A command is one file: it is listed and run by being there, and no other is imported for it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.__main__ import main
from app.command import find_commands
from tests.media_files import REPOSITORY

_GREET = """
from app.command import Command, CommandRefused

class Greet(Command):
    name = "greet"
    summary = "say hello to somebody"

    def add_arguments(self, parser):
        parser.add_argument("whom")

    def run(self, options):
        if options.whom == "nobody":
            raise CommandRefused("there is nobody", "and nobody else")
        print(f"hello {options.whom}")
        return 7
"""

_OTHER = """
from app.command import Command

class Other(Command):
    name = "other"
    summary = "do something else"

    def run(self, options):
        return 0
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package of throw-away commands."""
    folder = tmp_path / "throwaway"
    folder.mkdir()
    for name, text in (("__init__", ""), ("greet", _GREET), ("other", _OTHER)):
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield "throwaway"
    for name in [name for name in sys.modules if name.partition(".")[0] == "throwaway"]:
        del sys.modules[name]
    importlib.invalidate_caches()


def test_a_file_that_is_dropped_in_is_listed(package: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"], package)

    listed = capsys.readouterr().out
    assert ended.value.code == 0
    assert "greet" in listed
    assert "say hello to somebody" in listed
    assert "do something else" in listed


def test_a_file_that_is_dropped_in_is_run_and_no_other_is_imported(
    package: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["greet", "you"], package) == 7

    assert capsys.readouterr().out == "hello you\n"
    assert "throwaway.other" not in sys.modules


def test_a_command_that_cannot_begin_says_why_and_exits_with_2(
    package: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["greet", "nobody"], package) == 2

    assert capsys.readouterr().err == "ballast: there is nobody\nballast: and nobody else\n"


def test_an_unknown_command_is_answered_with_those_that_there_are(
    package: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["gret"], package)

    assert ended.value.code == 2
    answer = capsys.readouterr().err
    assert "greet" in answer
    assert "other" in answer


def test_every_command_of_ballast_is_named_as_its_module() -> None:
    commands = find_commands("app.commands")

    assert commands.keys() >= {"serve", "models", "soak", "doctor"}
    assert all(type(command).__module__ == f"app.commands.{name}" for name, command in commands.items())


def _imported(code: str) -> set[str]:
    """Return the names of the modules that a fresh interpreter has imported after `code`."""
    command = [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"]
    outcome = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return set(outcome.stderr.split())


def test_the_list_of_commands_imports_nothing_heavy() -> None:
    code = "from app.__main__ import main\ntry: main(['--help'])\nexcept SystemExit: pass"

    found = _imported(code)

    assert "app.commands.soak" in found
    assert not found & {"pydantic", "asyncio", "fastapi", "uvicorn", "soak", "app.settings"}


def test_a_worker_starts_without_the_parser_and_without_any_command() -> None:
    found = _imported("import app.__main__")

    assert not found & {"argparse", "app.command", "app.commands", "app.registry"}
