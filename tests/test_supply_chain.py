"""What the service is made of, and what is known of it: the bill of materials and the audit."""

from __future__ import annotations

import hashlib
import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from scripts import sbom
from scripts.audit_report import CLEAN, UNKNOWN, VULNERABLE, judge
from tests.media_files import REPOSITORY

FINDING = {"id": "PYSEC-1", "fix_versions": ["2"], "aliases": [], "description": "bad"}
SOUND = {"name": "a", "version": "1", "vulns": []}
WEAK = {"name": "b", "version": "1", "vulns": [FINDING]}
SKIPPED = {"name": "c", "skip_reason": "Dependency not found and could not be audited"}


@pytest.fixture
def bill(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "hand_landmarker.task").write_bytes(b"a model")
    return sbom.document(tmp_path)


def test_the_bill_names_every_pinned_package_that_is_installed_with_its_version(bill: dict[str, Any]) -> None:
    libraries = {one["name"]: one["version"] for one in bill["components"] if one["type"] == "library"}
    pinned = re.findall(r"^([a-z0-9-]+)==", (REPOSITORY / "requirements" / "run.txt").read_text(), re.MULTILINE)

    assert libraries.keys() <= {*pinned, "mediapipe"}
    assert libraries.keys() >= {"fastapi", "starlette", "uvicorn", "pydantic-core", "python-multipart"}
    assert {name: version(name) for name in libraries} == libraries


def test_the_bill_tells_licences_and_what_needs_what(bill: dict[str, Any]) -> None:
    libraries = [one for one in bill["components"] if one["type"] == "library"]
    needs = {entry["ref"]: entry["dependsOn"] for entry in bill["dependencies"]}
    references = {one["bom-ref"] for one in bill["components"]}

    assert [one["name"] for one in libraries if not one.get("licenses") or not one["properties"]] == []
    assert f"pkg:pypi/starlette@{version('starlette')}" in needs[f"pkg:pypi/fastapi@{version('fastapi')}"]
    assert set(needs["ballast"]) == references
    assert {name for names in needs.values() for name in names} <= references


def test_the_bill_has_the_models_that_are_there_by_their_digest(bill: dict[str, Any]) -> None:
    models = [one for one in bill["components"] if one["type"] == "machine-learning-model"]

    assert [one["name"] for one in models] == ["hand_landmarker.task"]
    assert models[0]["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(b"a model").hexdigest()}]


def test_the_bill_names_no_path_and_is_the_same_each_time(bill: dict[str, Any], tmp_path: Path) -> None:
    assert sbom.document(tmp_path) == bill
    assert str(REPOSITORY) not in json.dumps(bill)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")


@pytest.mark.parametrize(
    ("packages", "code"),
    [
        ([SOUND], CLEAN),
        ([SOUND, WEAK], VULNERABLE),
        ([WEAK, SKIPPED], VULNERABLE),
        ([SOUND, SKIPPED], UNKNOWN),
        ([SKIPPED], UNKNOWN),
        ([], UNKNOWN),
    ],
)
def test_what_could_not_be_looked_up_is_not_called_sound(packages: list[dict[str, Any]], code: int) -> None:
    assert judge(json.dumps({"dependencies": packages, "fixes": []}))[0] == code


def test_an_audit_without_a_report_says_nothing() -> None:
    assert judge("")[0] == UNKNOWN


def test_a_finding_is_told_with_what_fixes_it() -> None:
    assert judge(json.dumps({"dependencies": [WEAK]}))[1] == ["b 1: PYSEC-1, fixed in 2"]
