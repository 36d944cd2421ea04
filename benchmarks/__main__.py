"""All benchmarks, or those that are named, one after the other, each in a process of its own.

    python -m benchmarks [NAME ...] [--short] [--against CHECKOUT]

`--short` only shows that they run: its numbers mean little. `--against` measures the service of another checkout (with
its own .venv) in the same rounds, and prints how the two stand to each other; only some can do that.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks.server import REPOSITORY, add_against

SHORT: dict[str, list[str]] = {
    "footprint": ["--short"],
    "roundtrip": ["--short"],
    "stream": ["--short"],
    "vision": ["--short"],
    "mixed": ["--short"],
    "children": ["--short"],
    "upload": ["--short"],
    "download": ["--short"],
    "inline": ["--short"],
    "gauge": ["--samples", "200", "--seconds", "1"],
    "ledger": [],
    "burst": ["--short"],
    "multipart": ["--short"],
    "idle": ["--short"],
    "images": ["--short"],
    "encoders": ["--short"],
    "ratios": ["--short"],
    "telemetry": [],
    "faces": ["--short"],
    "video": ["--short"],
    "page": ["--short"],
}
"""Each benchmark, with the arguments that make it short."""

COMPARING = ("footprint", "roundtrip", "vision", "upload", "mixed", "children", "idle", "ratios")
"""Those that take `--against`."""


def main() -> int:
    arguments = _arguments()
    failed = []
    more = [] if arguments.against is None else ["--against", str(arguments.against)]
    for name in arguments.names or (COMPARING if more else SHORT):
        print(f"== {name}\n", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *(SHORT[name] if arguments.short else []), *more]
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
    add_against(parser)
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in SHORT]:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(SHORT)}")
    if arguments.against is not None and (alone := set(arguments.names) - set(COMPARING)):
        parser.error(f"{', '.join(sorted(alone))} cannot be run against another checkout, only {', '.join(COMPARING)}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
