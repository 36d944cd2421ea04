"""Print docs/settings.md: every setting with its default and what it means.

python -m scripts.settings_table > docs/settings.md
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from app.domain.units import GIB, MIB
from app.settings.variables import environment_names
from app.storage.discovery import complete_settings

HEAD = """# Settings

Every setting is an environment variable, read once at start. Sizes take a unit (`300M`, `10GiB`; powers of 1024), lists
are comma separated, durations are in seconds. A wrong value, or two that contradict each other, refuse to start with
one line each; `ballast serve --check` only looks. The effective values are at `GET /v1/limits`.

This page is made by `python -m scripts.settings_table`."""


def main() -> None:
    print(HEAD)
    for section, settings in groupby(environment_names(complete_settings()), key=_section):
        print(f"\n## {section.capitalize()}\n")
        print("| variable | default | meaning |\n|---|---|---|")
        for row in _rows(settings):
            print(row)


def _section(setting: tuple[str, str, Any]) -> str:
    return setting[0].removeprefix("BALLAST_").partition("__")[0].lower()


def _rows(settings: Iterator[tuple[str, str, Any]]) -> Iterator[str]:
    for variable, description, default in settings:
        meaning = description.replace("|", "\\|")
        yield f"| `{variable}` | {_words(default)} | {meaning} |"


def _words(default: object) -> str:
    """Return a default as one would write it into the environment."""
    if default is None or default == () or str(default) == "":
        return "unset"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return f"`{','.join(map(str, default))}`"
    if isinstance(default, int):
        return f"`{_size(default)}`"
    if isinstance(default, Path):
        return f"`{default.as_posix()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def _size(number: int) -> str:
    for unit, letter in ((GIB, "G"), (MIB, "M")):
        if number and number % unit == 0:
            return f"{number // unit}{letter}"
    return str(number)


if __name__ == "__main__":
    main()
