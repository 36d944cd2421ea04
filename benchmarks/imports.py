"""What the API's memory at rest goes to: the stages of its start, and the modules whose import adds most."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks.server import REPOSITORY, SCRATCH
from benchmarks.table import print_table


def print_imports(top: int = 15) -> None:
    """Run the probe in a process of its own and print its tables."""
    SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=SCRATCH) as folder:
        command = [sys.executable, "-B", "-m", "benchmarks.import_probe", folder]
        answer = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
    report = json.loads(answer.stdout)
    print("Stages of the start (RSS, MB of 10^6 bytes)\n")
    print_table(
        ["stage", "RSS", "anonymous", "added"],
        [
            [stage["name"], _mb(stage["rss"]), _mb(stage["anonymous"]), _mb(stage["added"])]
            for stage in report["stages"]
        ],
    )
    print(f"\nModules by what their own import adds, of {len(report['modules'])}\n")
    own = sorted(report["modules"], key=lambda module: -module["own"])[:top]
    _print_modules(own)
    print("\nPackages by what all of their modules add\n")
    packages: dict[str, int] = {}
    for module in report["modules"]:
        package = module["name"].partition(".")[0]
        packages[package] = packages.get(package, 0) + module["own"]
    ranked = sorted(packages.items(), key=lambda item: -item[1])[:top]
    print_table(["package", "MB"], [[name, _mb(own)] for name, own in ranked])


def _print_modules(modules: list[dict[str, Any]]) -> None:
    rows = [[module["name"], _mb(module["own"]), _mb(module["all"])] for module in modules]
    print_table(["module", "own MB", "with what it imports"], rows)


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.2f}"
