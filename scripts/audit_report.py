"""Reads a report of pip-audit, which calls a package that it knows nothing of no worse than one without findings.

Exit code 0: every package was looked up and none has a known vulnerability; 1: some have; 3: nothing, or not all, could
be looked up.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

CLEAN, VULNERABLE, UNKNOWN = 0, 1, 3


def judge(text: str) -> tuple[int, list[str]]:
    """Return the exit code for a report in JSON, and the lines to print."""
    packages: list[dict[str, Any]] = json.loads(text)["dependencies"] if text.strip() else []
    found = [_told(package, finding) for package in packages for finding in package.get("vulns", ())]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if found:
        return VULNERABLE, found
    if skipped or not packages:
        return UNKNOWN, [f"no advisories could be had for {len(skipped)} of {len(packages)} packages: nothing is known"]
    return CLEAN, [f"no known vulnerability in {len(packages)} packages"]


def _told(package: dict[str, Any], finding: dict[str, Any]) -> str:
    fixed = ", ".join(finding["fix_versions"]) or "no version"
    return f"{package['name']} {package['version']}: {finding['id']}, fixed in {fixed}"


def main(path: str) -> int:
    code, lines = judge(Path(path).read_text())
    print("\n".join(f"audit: {line}" for line in lines))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
