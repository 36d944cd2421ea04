"""All benchmarks, or those that are named, one after the other, each in a process of its own.

    python -m benchmarks [NAME ...] [--short]

`--short` only shows that they run: its numbers mean little.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks.server import REPOSITORY

SHORT: dict[str, list[str]] = {
    "footprint": ["--short"],
    "roundtrip": ["--short"],
    "stream": ["--short"],
    "vision": ["--short"],
    "upload": ["--short"],
    "download": ["--short"],
    "inline": ["--short"],
    "gauge": ["--samples", "200", "--seconds", "1"],
    "ledger": [],
    "burst": ["--short"],
    "multipart": ["--short"],
}
"""Each benchmark, with the arguments that make it short."""


def main() -> int:
    arguments = _arguments()
    failed = []
    for name in arguments.names or SHORT:
        print(f"== {name}\n", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *(SHORT[name] if arguments.short else [])]
        if subprocess.run(command, cwd=REPOSITORY, check=False).returncode != 0:
            failed.append(name)
        print(flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return len(failed) > 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(SHORT)}; default: all")
    parser.add_argument("--short", action="store_true", help="only show that they run")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in SHORT]:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(SHORT)}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
