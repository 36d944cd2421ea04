"""What Ballast is delivered with: requirements, the image, and the commands that the documents name."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).parent.parent
REQUIREMENTS = sorted((PROJECT / "requirements").glob("*.txt"))


def pins(path: Path) -> dict[str, str]:
    """Return version by name of a requirements file, lines with a continuation joined."""
    lines = path.read_text().replace("\\\n", " ").splitlines()
    matches = [re.match(r"([a-z0-9._-]+)==(\S+)", line) for line in lines if line and not line.startswith("#")]
    return {match[1]: match[2] for match in matches if match}


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_every_requirement_is_pinned_with_hashes_and_names_no_index(path: Path) -> None:
    lines = path.read_text().replace("\\\n", " ").splitlines()

    requirements = [line for line in lines if line and not line.startswith("#")]
    assert requirements
    assert all(re.match(r"[a-z0-9._-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line) for line in requirements)
    assert not re.search(r"://|--index|--extra|--find-links|@", "\n".join(requirements))


def test_the_three_requirement_files_agree_on_every_version() -> None:
    run, dev, mediapipe = (pins(PROJECT / "requirements" / f"{name}.txt") for name in ("run", "dev", "mediapipe"))

    assert {name: dev[name] for name in run.keys() & dev.keys()} == {
        name: run[name] for name in run.keys() & dev.keys()
    }
    assert mediapipe.keys().isdisjoint(run)


def test_what_pyproject_asks_for_is_pinned() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    asked = project["project"]["dependencies"] + extras["s3"] + extras["vision"]

    names = {re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower() for requirement in asked}
    assert names <= pins(PROJECT / "requirements" / "run.txt").keys()


def compose_service() -> dict[str, Any]:
    document = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
    service: dict[str, Any] = document["services"]["ballast"]
    assert set(document["volumes"]) == {volume.split(":")[0] for volume in service["volumes"]}
    return service


def test_the_container_is_limited_and_can_change_nothing_but_its_volumes() -> None:
    service = compose_service()

    assert service["mem_limit"] == service["memswap_limit"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service["user"].startswith("0")


def test_temporary_files_of_the_container_lie_on_a_volume_and_not_in_memory() -> None:
    service = compose_service()

    assert "tmpfs" not in service
    assert "tmp:/tmp" in service["volumes"]


def test_the_container_does_not_start_without_a_key_and_sends_no_telemetry() -> None:
    service = compose_service()

    assert ":?" in service["environment"]["BALLAST_SERVER__API_KEYS"]
    assert "play.googleapis.com:127.0.0.1" in service["extra_hosts"]


def instructions() -> list[tuple[str, str]]:
    text = (PROJECT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def test_the_image_is_built_by_scripts_that_are_there_and_can_be_run() -> None:
    steps = [argument for word, argument in instructions() if word == "RUN"]

    scripts = [PROJECT / name for step in steps for name in re.findall(r"scripts/\S+\.sh", step)]
    assert len(scripts) == 3
    assert all(script.stat().st_mode & 0o111 for script in scripts)


def test_the_image_runs_as_a_numbered_user_and_is_checked_for_liveness_only() -> None:
    by_word = dict(instructions())

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", by_word["USER"])
    command = json.loads(by_word["HEALTHCHECK"].partition("CMD ")[2])
    assert (PROJECT / command[-1].removeprefix("/opt/ballast/")).name == "healthcheck.py"
    assert b"/health/live" in (PROJECT / "scripts/image/healthcheck.py").read_bytes()


def test_what_is_copied_into_the_image_is_not_ignored() -> None:
    kept = {line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    copied = {arg.split()[0] for word, arg in instructions() if word == "COPY" and not arg.startswith("--from")}
    assert copied <= kept


def test_the_wheel_holds_the_service_and_the_soak() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())

    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert "soak" in packages
    assert packages == project["tool"]["importlinter"]["root_packages"]
