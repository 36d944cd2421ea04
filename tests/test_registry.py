"""Plug-ins are found by being there, and mistakes are told at once."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.registry import discover, load

_BASE = """
import abc
class Plugin(abc.ABC):
    @abc.abstractmethod
    def run(self): ...
class Half(Plugin):
    name = "half"
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the folder of an importable package `plugged`, whose base class is `plugbase.Plugin`."""
    folder = tmp_path / "plugged"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (tmp_path / "plugbase.py").write_text(_BASE)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] in ("plugged", "plugbase")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _write(folder: Path, module: str, *names: str) -> None:
    classes = "".join(f'class P{name}(Plugin):\n    name = "{name}"\n    def run(self): ...\n' for name in names)
    (folder / f"{module}.py").write_text(f"from plugbase import Half, Plugin\n{classes}")


def _discover() -> dict[str, type]:
    base: type = importlib.import_module("plugbase").Plugin
    return discover("plugged", base)


def test_every_module_is_one_plugin_under_its_name(package: Path) -> None:
    _write(package, "second", "blur")
    _write(package, "first", "resize")

    found = _discover()

    assert list(found) == ["resize", "blur"]  # in the order of the modules
    assert found["blur"].__module__ == "plugged.second"


def test_an_empty_package_has_none(package: Path) -> None:
    assert package.exists()
    assert _discover() == {}


def test_classes_that_are_imported_or_abstract_are_no_plugins(package: Path) -> None:
    _write(package, "one", "blur")  # it also imports Plugin and Half

    assert list(_discover()) == ["blur"]


@pytest.mark.parametrize("names", [(), ("blur", "sharpen")])
def test_a_module_without_exactly_one_plugin_is_an_error(package: Path, names: tuple[str, ...]) -> None:
    _write(package, "odd", *names)

    with pytest.raises(TypeError, match=rf"plugged\.odd must define exactly one Plugin, found {len(names)}"):
        _discover()


def test_two_plugins_of_one_name_are_an_error_that_names_both(package: Path) -> None:
    _write(package, "first", "blur")
    _write(package, "second", "blur")

    with pytest.raises(TypeError, match=r"plugged\.second: the name 'blur' is taken by plugged\.first"):
        _discover()


def test_a_module_that_cannot_be_imported_is_not_passed_over(package: Path) -> None:
    (package / "broken.py").write_text("import no_such_library_anywhere\n")

    with pytest.raises(ModuleNotFoundError, match="no_such_library_anywhere"):
        _discover()


def _load(name: str) -> type[Any]:
    return load("plugged", name, importlib.import_module("plugbase").Plugin)


def test_one_module_is_loaded_and_the_others_are_left_alone(package: Path) -> None:
    _write(package, "one", "blur")
    (package / "broken.py").write_text("import no_such_library_anywhere\n")

    assert _load("one").name == "blur"
    assert "plugged.broken" not in sys.modules


@pytest.mark.parametrize("name", ["two", "", "one.two", "../one", "__init__"])
def test_a_name_that_is_no_module_is_an_error_that_names_those_there_are(package: Path, name: str) -> None:
    _write(package, "one", "blur")
    _write(package, "three", "sharpen")

    with pytest.raises(LookupError, match="only one, three"):
        _load(name)
