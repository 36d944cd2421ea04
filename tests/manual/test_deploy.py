"""The files in deploy/ name what there is, and the manual shows exactly them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.main import create_app
from app.settings import Settings
from app.settings.values import parse_bytes
from app.settings.variables import environment_names
from app.storage.discovery import complete_settings
from tests.manual.blocks import blocks_of, pages
from tests.media_files import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
DEFAULTS = {name: default for name, _, default in environment_names(complete_settings())}
LANGUAGES = {"kubernetes.yaml": "yaml", "ballast.service": "ini", "nginx.conf": "nginx", "Caddyfile": "caddyfile"}
LAST_WORDS_SECONDS = 3
"""What is left after LAME_DUCK and DRAIN before all is cut (docs/operations.md)."""


def documents() -> dict[str, dict[str, Any]]:
    text = (DEPLOY / "kubernetes.yaml").read_text()
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = documents()["StatefulSet"]["spec"]["template"]["spec"]
    return spec


def container() -> dict[str, Any]:
    (only,) = pod()["containers"]
    found: dict[str, Any] = only
    return found


def environment() -> dict[str, Any]:
    return {one["name"]: one.get("value") for one in container()["env"]}


def unit() -> dict[str, list[str]]:
    """Return the settings of the unit, each with its values in order."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "ballast.service").read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def size_of(text: str) -> int:
    """Return a size as the settings read it; Kubernetes' `Gi` is what they call `G`."""
    found = parse_bytes(text.replace("Gi", "G"))
    assert isinstance(found, int)
    return found


def ending_seconds(given: dict[str, Any]) -> float:
    """Return how long the service may take to end, of what is set and what is not."""
    names = ("BALLAST_SERVER__LAME_DUCK_SECONDS", "BALLAST_SERVER__DRAIN_SECONDS")
    return sum(float(given.get(name) or DEFAULTS[name]) for name in names) + LAST_WORDS_SECONDS


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_manual_shows_a_file_as_it_is(name: str) -> None:
    shown = [block.text for path in pages() for block in blocks_of(path) if block.language == LANGUAGES[name]]

    assert (DEPLOY / name).read_text() in shown


def test_every_file_is_tested() -> None:
    assert {path.name for path in DEPLOY.iterdir()} == LANGUAGES.keys()


def test_every_variable_is_a_setting() -> None:
    used = {path.name: set(re.findall(r"BALLAST_[A-Z0-9_]*[A-Z0-9]", path.read_text())) for path in DEPLOY.iterdir()}

    # The one that Kubernetes would make, of which the comment warns.
    assert {name: variables - DEFAULTS.keys() for name, variables in used.items()} == {
        "kubernetes.yaml": {"BALLAST_PORT"}, "ballast.service": set(), "nginx.conf": set(), "Caddyfile": set(),
    }  # fmt: skip


def test_what_is_set_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment().items():
        monkeypatch.setenv(name, value or "a-key-of-the-secret")

    settings = complete_settings()()

    assert settings.server.probe_port == 8001
    assert settings.storage.quota is not None


def test_probes_ask_for_what_there_is_at_a_port_that_is_open() -> None:
    paths = create_app(Settings()).openapi()["paths"]
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    probes = {name: container()[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}

    assert ports == {"http": 8000, "probes": int(environment()["BALLAST_SERVER__PROBE_PORT"])}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": "/health/startup", "readiness": "/health/ready", "liveness": "/health/live",
    }  # fmt: skip
    assert {probe["path"] for probe in probes.values()} <= paths.keys()
    assert {probe["port"] for probe in probes.values()} == {"probes"}
    assert f"EXPOSE {ports['http']}\n" in (REPOSITORY / "Dockerfile").read_text()


def test_the_memory_is_limited_promised_and_enough() -> None:
    resources = container()["resources"]

    assert resources["limits"]["memory"] == resources["requests"]["memory"] == "1Gi"
    assert "cpu" not in resources["limits"]  # throttled, it would miss its deadlines


def test_the_pod_has_longer_to_end_than_the_service_takes() -> None:
    assert pod()["terminationGracePeriodSeconds"] > ending_seconds(environment())


def test_the_pod_has_no_more_rights_than_the_image_wants() -> None:
    image = (REPOSITORY / "Dockerfile").read_text()
    user = pod()["securityContext"]

    assert f"USER {user['runAsUser']}:{user['runAsGroup']}" in image
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert pod()["enableServiceLinks"] is False


def test_what_the_image_writes_to_is_on_a_disk() -> None:
    mounts = {mount["mountPath"]: mount["name"] for mount in container()["volumeMounts"]}
    (temporary,) = pod()["volumes"]
    claims = [claim["metadata"]["name"] for claim in documents()["StatefulSet"]["spec"]["volumeClaimTemplates"]]

    assert f"VOLUME {json.dumps(sorted(mounts))}" in (REPOSITORY / "Dockerfile").read_text()
    assert mounts == {"/data": claims[0], "/tmp": temporary["name"]}
    assert "medium" not in temporary["emptyDir"]
    quota = size_of(environment()["BALLAST_STORAGE__QUOTA"])
    claim = documents()["StatefulSet"]["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"]
    assert quota < size_of(claim)


def test_selectors_find_the_pod() -> None:
    labels = documents()["StatefulSet"]["spec"]["template"]["metadata"]["labels"]

    assert documents()["Service"]["spec"]["selector"] == labels
    assert documents()["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels


def test_the_unit_is_ended_gently_and_started_again_when_it_asks_for_it() -> None:
    settings = unit()
    given = dict(value.split("=", 1) for value in settings["Environment"])

    assert settings["KillMode"] == ["mixed"]
    assert float(settings["TimeoutStopSec"][0]) > ending_seconds(given)
    assert (settings["Restart"], settings["RestartPreventExitStatus"]) == (["on-failure"], ["2"])
    assert given["BALLAST_STORAGE__ROOT"] == f"/var/lib/{settings['StateDirectory'][0]}"


def test_the_unit_has_a_limit_and_survives_the_death_of_a_child() -> None:
    settings = unit()

    assert size_of(settings["MemoryMax"][0]) >= 200 << 20
    assert settings["MemorySwapMax"] == ["0"]
    assert settings["OOMPolicy"] == ["continue"]
    # What would break the children's own cage, or hide them from the service.
    assert {"SystemCallFilter", "MemoryDenyWriteExecute", "ProtectProc", "DynamicUser"}.isdisjoint(settings)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "ballast.service").read_text()
    text, programs = re.subn(r"(?m)^ExecStart=\S+", f"ExecStart={REPOSITORY}/.venv/bin/ballast", text)
    (tmp_path / "ballast.service").write_text(text)

    ran = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "ballast.service")],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert programs == 1
    assert (ran.returncode, ran.stderr) == (0, "")
