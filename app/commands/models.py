"""`ballast models`: fetches the model files that are missing and tells what is there."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

from app.commands.progress import ProgressBar
from app.configuration import SettingsRefused, read_settings
from app.models.assets import FileState, ModelAssets, Verification, load_manifest

_MIB = 1024 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    names = [model.name for model in load_manifest().models]
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"files to fetch; default: {_default_names()}; all: {', '.join(names)}"
    )
    parser.add_argument("--check", action="store_true", help="fetch nothing, only tell")
    parser.add_argument("--quiet", action="store_true", help="print nothing where nothing had to be done")


def run(options: argparse.Namespace) -> int:
    """Return 0 where every wanted file is in place at the end, 1 where one is not, 2 where a name is not known."""
    try:
        assets = ModelAssets(read_settings().models.dir)
    except SettingsRefused as refused:
        print("\n".join(f"settings: {sentence}" for sentence in refused.sentences), file=sys.stderr)
        return 2
    known = {model.name for model in assets.manifest.models}
    wanted = options.names or [model.name for model in assets.manifest.defaults()]
    if unknown := [name for name in wanted if name not in known]:
        print(f"unknown: {', '.join(unknown)}. Known are {', '.join(sorted(known))}.", file=sys.stderr)
        return 2
    absent = _absent(assets, wanted)
    if absent and not options.check:
        _fetch(assets, absent)
    if absent or not options.quiet:
        _print_table(assets)
    return 1 if _absent(assets, wanted) else 0


def _default_names() -> str:
    return ", ".join(model.name for model in load_manifest().defaults())


def _absent(assets: ModelAssets, wanted: Iterable[str]) -> list[str]:
    return [name for name in wanted if assets.verify(name).state is not FileState.INSTALLED]


def _fetch(assets: ModelAssets, names: Iterable[str]) -> None:
    from app.models.installer import InstallationError, open_installer
    from app.models.sources import OfficialAddress

    bar = ProgressBar(sys.stderr)
    official = OfficialAddress(assets.manifest.official, bar.show)
    try:
        with open_installer(assets, official, bar.say, bar.terminal) as installer:
            for name in names:
                try:
                    bar.say(f"{name}: installed from {installer.install(name)}")
                except InstallationError as error:
                    bar.say(str(error))
    except OSError as error:
        bar.say(f"{assets.folder} cannot be written: {error.strerror or error}")


def _print_table(assets: ModelAssets) -> None:
    print(f"model files in {assets.folder}")
    for model in assets.manifest.models:
        found = assets.verify(model.name)
        size_bytes = found.size_bytes or model.largest_bytes
        print(f"  {model.name:<30} {size_bytes / _MIB:5.1f} MiB  {found.state:<9}  {_remark(found)}")


def _remark(found: Verification) -> str:
    if found.content is not None:
        return "official content" if found.content.origin == "official" else "built from official parts"
    if found.state is FileState.DAMAGED:
        return f"not an accepted content: `ballast models {found.model.name}` replaces it"
    return "needed" if found.model.default else f"optional: `ballast models {found.model.name}`"
