"""Writes a bill of materials (CycloneDX 1.6, JSON) of what is installed for the service: `make sbom`.

    python -m scripts.sbom > sbom.json

It tells what `requirements/run.txt` and `requirements/mediapipe.txt` pin, as it is installed in this environment (name,
version, licence, and of which hashes the pinned files may be), what needs what, and the model files that are there with
their sha256. What the system brings (Python, FFmpeg, libEGL) is the base image's and Debian's.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import quote

from app import __version__

ROOT = Path(__file__).resolve().parents[1]
LISTS = ("requirements/run.txt", "requirements/mediapipe.txt")
MANIFEST = "app/models/manifest.json"

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_NAME = re.compile(r"^[A-Za-z0-9._-]+")


def document(folder: Path, root: Path = ROOT) -> dict[str, Any]:
    """Return the bill, with the models in `folder`. It has no time and no random number: the same each time."""
    pins = {name: hashes for path in LISTS for name, hashes in _pins((root / path).read_text())}
    installed = {name: found for name in pins if (found := _installed(name)) is not None}
    references = {name: _purl(name, found.version) for name, found in installed.items()}
    known = json.loads((root / MANIFEST).read_text())["models"]
    models = list(_models([model["name"] for model in known], folder))
    service = {"type": "application", "bom-ref": "ballast", "name": "ballast", "version": __version__}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**service, "licenses": [{"license": {"id": "Apache-2.0"}}]}},
        "components": [
            *(_component(name, found, pins[name], references[name]) for name, found in sorted(installed.items())),
            *models,
        ],
        "dependencies": [
            {"ref": "ballast", "dependsOn": sorted([*references.values(), *(model["bom-ref"] for model in models)])},
            *(
                {"ref": references[name], "dependsOn": sorted(_needs(found, references))}
                for name, found in sorted(installed.items())
            ),
        ],
    }


def normal(name: str) -> str:
    """Return a package's name as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _pins(text: str) -> Iterator[tuple[str, list[str]]]:
    for entry in text.replace("\\\n", " ").splitlines():
        if (pin := _PIN.match(entry)) is not None:
            yield normal(pin[1]), _HASH.findall(entry)


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:  # pinned for another platform
        return None


def _component(name: str, found: Distribution, hashes: list[str], reference: str) -> dict[str, Any]:
    component: dict[str, Any] = {"type": "library", "bom-ref": reference, "name": name, "version": found.version}
    if (licence := _licence(found)) is not None:
        component["licenses"] = [licence]
    pinned = [{"name": "ballast:pinned-sha256", "value": digest} for digest in hashes]
    return {**component, "purl": reference, "properties": pinned}


def _licence(found: Distribution) -> dict[str, Any] | None:
    """Return the licence as the package states it: an expression (PEP 639), else its own words or its classifier."""
    fields = found.metadata
    if "License-Expression" in fields:
        return {"expression": fields["License-Expression"]}
    stated = fields["License"].strip().splitlines() if "License" in fields else []
    classifiers = fields.get_all("Classifier") or ()
    classified = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License")]
    words = next((text for text in (*stated[:1], *classified) if text and len(text) <= 100), None)
    return None if words is None else {"license": {"name": words}}


def _models(names: list[str], folder: Path) -> Iterator[dict[str, Any]]:
    for path in (folder / name for name in names):
        if path.is_file():
            hashes = [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}]
            yield {
                "type": "machine-learning-model", "bom-ref": f"model:{path.name}", "name": path.name, "hashes": hashes,
            }  # fmt: skip


def _needs(found: Distribution, references: dict[str, str]) -> set[str]:
    lines = [line for line in found.requires or () if "extra ==" not in line]
    names = {normal(match[0]) for line in lines if (match := _NAME.match(line))}
    return {references[name] for name in names if name in references}


def _purl(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{quote(version, safe='.')}"


def main() -> None:
    folder = ROOT / os.environ.get("BALLAST_MODELS__DIR", "models")
    json.dump(document(folder), sys.stdout, indent=1, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
