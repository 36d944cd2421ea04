"""`ballast models`: fetches the model files that are missing and tells what is there."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.command import Command, CommandRefused
from app.domain.units import MIB

if TYPE_CHECKING:
    from app.models.assets import ModelAssets, Verification

_BAR_WIDTH = 30


class Models(Command):
    name = "models"
    summary = "fetch the model bundles and tell what is there"

    def add_arguments(self, parser: ArgumentParser) -> None:
        from app.models.assets import load_manifest

        manifest = load_manifest()
        default = ", ".join(model.name for model in manifest.defaults())
        known = ", ".join(model.name for model in manifest.models)
        parser.add_argument(
            "names", nargs="*", metavar="NAME", help=f"files to fetch; default: {default}; all: {known}"
        )
        parser.add_argument("--check", action="store_true", help="fetch nothing, only tell")
        parser.add_argument("--quiet", action="store_true", help="print nothing where nothing had to be done")

    def run(self, options: Namespace) -> int:
        """Return 0 where every wanted file is in place at the end, 1 where one is not."""
        from app.configuration import read_settings
        from app.models.assets import ModelAssets

        assets = ModelAssets(read_settings().models.dir)
        known = {model.name for model in assets.manifest.models}
        wanted = options.names or [model.name for model in assets.manifest.defaults()]
        if unknown := [name for name in wanted if name not in known]:
            raise CommandRefused(f"no model is called {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        absent = _absent(assets, wanted)
        if absent and not options.check:
            _fetch(assets, absent)
        if absent or not options.quiet:
            _print_table(assets)
        return 1 if _absent(assets, wanted) else 0


def _absent(assets: ModelAssets, wanted: Sequence[str]) -> list[str]:
    return [name for name in wanted if assets.verify(name).content is None]


def _fetch(assets: ModelAssets, names: Sequence[str]) -> None:
    from app.models.installer import InstallationError, open_installer
    from app.models.sources import OfficialAddress
    from app.terminal import ProgressLine

    line = ProgressLine(sys.stderr)
    official = OfficialAddress(assets.manifest.official, lambda *step: line.show(progress(*step)))
    try:
        with open_installer(assets, official, line.say, line.terminal) as installer:
            for name in names:
                try:
                    line.say(f"{name}: installed from {installer.install(name)}")
                except InstallationError as error:
                    line.say(str(error))
    except OSError as error:
        line.say(f"{assets.folder} cannot be written: {error.strerror or error}")


def progress(name: str, done_bytes: int, total_bytes: int) -> str:
    """Return how far a download has come, with a bar."""
    share = min(1.0, done_bytes / max(1, total_bytes))
    bar = "#" * int(share * _BAR_WIDTH)
    return f"{name} [{bar:<{_BAR_WIDTH}}] {share:4.0%}  {done_bytes / MIB:.1f} of {total_bytes / MIB:.1f} MiB"


def _print_table(assets: ModelAssets) -> None:
    print(f"model files in {assets.folder}")
    for model in assets.manifest.models:
        found = assets.verify(model.name)
        size_bytes = found.size_bytes or model.largest_bytes
        print(f"  {model.name:<30} {size_bytes / MIB:5.1f} MiB  {found.state:<9}  {_remark(found)}")


def _remark(found: Verification) -> str:
    if found.content is not None:
        return "official content" if found.content.origin == "official" else "built from official parts"
    if found.state == "damaged":
        return f"not an accepted content: `ballast models {found.model.name}` replaces it"
    return "needed" if found.model.default else f"optional: `ballast models {found.model.name}`"
