"""Fetching model files: from a loopback server as the official address, and from locally made wheels by pip."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from app.models.assets import FileState, Manifest, ModelAssets
from app.models.installer import InstallationError, open_installer
from app.models.sources import OfficialAddress
from tests.models.model_sources import OfficialServer, official_server, package_member, sha256, write_wheel, zipped

INNER = b"the model inside a bundle"
BUNDLE = zipped({"face_detector.tflite": INNER})
PATH = "official/bundle.task"


@pytest.fixture
def server() -> Iterator[OfficialServer]:
    with official_server() as state:
        yield state


class Setup:
    """A models folder whose manifest has `bundle.task`, `inner.tflite` (inside it) and `built.task` (two of it)."""

    def __init__(
        self, folder: Path, base: str, wheel_sha256: str = "0" * 64, built: bytes = BUNDLE * 2, patience: float = 20.0
    ) -> None:
        part = package_member(wheel_sha256)
        inside = package_member(wheel_sha256, members=["box/bundle.task", "face_detector.tflite"])
        build = {"builder": "tests.models.joining_builder", "parts": [part, part]}
        models = [
            self._model("bundle.task", BUNDLE, PATH, part),
            self._model("inner.tflite", INNER, "official/inner.tflite", inside),
            self._model("built.task", built, "official/built.task", build),
        ]
        self.lines: list[str] = []
        self.progress: list[tuple[str, int, int]] = []
        self.assets = ModelAssets(folder / "models", Manifest.model_validate({"official": base, "models": models}))
        self.official = OfficialAddress(
            base, lambda *step: self.progress.append(step), connect_seconds=patience, read_seconds=patience
        )

    @staticmethod
    def _model(name: str, content: bytes, path: str, fallback: Mapping[str, object]) -> dict[str, object]:
        accepted = [{"sha256": sha256(content), "size_bytes": len(content), "origin": "official"}]
        return {"name": name, "path": path, "accepted": accepted, "fallback": fallback}

    def install(self, name: str = "bundle.task") -> str:
        with open_installer(self.assets, self.official, self.lines.append) as installer:
            return installer.install(name)

    def files(self) -> list[str]:
        return sorted(path.name for path in self.assets.folder.iterdir())


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """pip finds only what lies in this folder."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return wheels


def closed_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


def test_the_official_address_comes_first_and_shows_how_far_it_is(tmp_path: Path, server: OfficialServer) -> None:
    server.bodies[PATH] = BUNDLE
    setup = Setup(tmp_path, server.base)

    source = setup.install()

    assert source == server.base.split("/")[2]
    assert setup.assets.verify("bundle.task").state is FileState.INSTALLED
    assert setup.progress[-1] == ("bundle.task", len(BUNDLE), len(BUNDLE))
    assert setup.lines == []


def test_the_file_replaces_a_damaged_one_and_nothing_else_is_left(tmp_path: Path, server: OfficialServer) -> None:
    server.bodies[PATH] = BUNDLE
    setup = Setup(tmp_path, server.base)
    setup.assets.folder.mkdir()
    (setup.assets.folder / "bundle.task").write_bytes(b"damaged")

    setup.install()

    assert (setup.assets.folder / "bundle.task").read_bytes() == BUNDLE
    assert setup.files() == ["bundle.task"]


@pytest.mark.usefixtures("no_packages")
@pytest.mark.parametrize(
    ("body", "declared_bytes", "reason"),
    [
        (BUNDLE[:-1] + b"!", None, "has the sha256 .* and not .*: refused"),
        (BUNDLE[:40], None, "has the sha256"),
        (BUNDLE[:40], len(BUNDLE), "ended after 40 of|broke off"),
        (BUNDLE + b"more", None, "sends more than"),
        (None, None, "answered 404"),
    ],
    ids=["tampered", "shortened", "broken off", "too long", "not there"],
)
def test_what_the_official_address_gives_wrongly_never_takes_the_place_of_the_file(
    tmp_path: Path, server: OfficialServer, body: bytes | None, declared_bytes: int | None, reason: str
) -> None:
    if body is not None:
        server.bodies[PATH] = body
    if declared_bytes is not None:
        server.declared_bytes[PATH] = declared_bytes
    setup = Setup(tmp_path, server.base)
    setup.assets.folder.mkdir()
    (setup.assets.folder / "bundle.task").write_bytes(b"the old one")

    with pytest.raises(InstallationError, match="could not be had from any source"):
        setup.install()

    assert any(re.search(reason, line) for line in setup.lines)
    assert (setup.assets.folder / "bundle.task").read_bytes() == b"the old one"
    assert setup.files() == ["bundle.task"]


def test_a_host_out_of_reach_is_asked_once_and_told_of_in_one_line(tmp_path: Path, no_packages: Path) -> None:
    wheel_sha256 = write_wheel(no_packages, "model_box", {"box/bundle.task": BUNDLE})
    setup = Setup(tmp_path, closed_address(), wheel_sha256)

    sources = [setup.install("bundle.task"), setup.install("inner.tflite")]

    assert sources == ["model-box==1.0", "model-box==1.0"]
    assert len(setup.lines) == 1
    assert "cannot be reached: Connection refused" in setup.lines[0]


def test_a_host_that_takes_the_connection_and_never_answers_costs_a_bounded_wait(
    tmp_path: Path, no_packages: Path
) -> None:
    wheel_sha256 = write_wheel(no_packages, "model_box", {"box/bundle.task": BUNDLE})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        setup = Setup(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}/", wheel_sha256, patience=0.5)

        source = setup.install()

    assert source == "model-box==1.0"
    assert "did not answer within 0.5 s" in setup.lines[0]


@pytest.mark.usefixtures("no_packages")
def test_pip_that_finds_no_package_is_named_as_the_reason(tmp_path: Path) -> None:
    setup = Setup(tmp_path, closed_address())

    with pytest.raises(InstallationError, match="could not be had from any source"):
        setup.install()

    assert any(re.search(r"pip could not download model-box==1\.0", line) for line in setup.lines)
    assert setup.files() == []


def test_a_wheel_that_is_not_the_pinned_one_is_refused(tmp_path: Path, no_packages: Path) -> None:
    write_wheel(no_packages, "model_box", {"box/bundle.task": BUNDLE})
    setup = Setup(tmp_path, closed_address(), wheel_sha256="1" * 64)

    with pytest.raises(InstallationError, match="could not be had from any source"):
        setup.install()

    assert any(re.search("pip could not download", line) for line in setup.lines)
    assert setup.files() == []


@pytest.mark.parametrize("members", [{"box/other.task": BUNDLE}, {"box/bundle.task": BUNDLE + b"more"}])
def test_a_pinned_wheel_without_the_right_member_installs_nothing(
    tmp_path: Path, no_packages: Path, members: dict[str, bytes]
) -> None:
    wheel_sha256 = write_wheel(no_packages, "model_box", members)
    setup = Setup(tmp_path, closed_address(), wheel_sha256)

    with pytest.raises(InstallationError, match="could not be had from any source"):
        setup.install()

    assert any(re.search(r"holds no|more than the expected", line) for line in setup.lines)
    assert setup.files() == []


def test_a_file_inside_a_bundle_of_a_package_is_installed_alone(tmp_path: Path, no_packages: Path) -> None:
    wheel_sha256 = write_wheel(no_packages, "model_box", {"box/bundle.task": BUNDLE})
    setup = Setup(tmp_path, closed_address(), wheel_sha256)

    setup.install("inner.tflite")

    assert (setup.assets.folder / "inner.tflite").read_bytes() == INNER
    assert setup.files() == ["inner.tflite"]


def test_a_built_model_is_made_of_members_of_packages(tmp_path: Path, no_packages: Path) -> None:
    wheel_sha256 = write_wheel(no_packages, "model_box", {"box/bundle.task": BUNDLE})
    setup = Setup(tmp_path, closed_address(), wheel_sha256)

    setup.install("built.task")

    assert (setup.assets.folder / "built.task").read_bytes() == BUNDLE + BUNDLE
    assert setup.files() == ["built.task"]


def test_a_built_model_that_comes_out_otherwise_is_refused(tmp_path: Path, no_packages: Path) -> None:
    wheel_sha256 = write_wheel(no_packages, "model_box", {"box/bundle.task": BUNDLE})
    setup = Setup(tmp_path, closed_address(), wheel_sha256, built=BUNDLE + INNER)

    with pytest.raises(InstallationError):
        setup.install("built.task")

    assert "a build of model-box==1.0 gave has the sha256" in setup.lines[-1]
    assert setup.files() == []


def test_installing_never_imports_what_it_fetches(tmp_path: Path, no_packages: Path) -> None:
    wheel_sha256 = write_wheel(no_packages, "model_box", {"box/bundle.task": BUNDLE, "box/__init__.py": b"1 / 0"})

    Setup(tmp_path, closed_address(), wheel_sha256).install()

    assert not {"box", "model_box"} & set(sys.modules)
