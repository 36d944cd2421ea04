"""Try the attacks on a work tree, and print the table of docs/security.md.

    python -m tests.stress.attacks [NAME ...] [--clients 1 10] [--seconds 10] [--tree CHECKOUT] [--lines FILE]

Names are parts of names. Each attack has a fresh service in a memory control group of 300 MiB. An outcome is one JSON
line in FILE as soon as it is there, so that a run can be cut, and gone on with: what is there already is not run again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.domain.units import MIB
from benchmarks.server import SCRATCH
from benchmarks.table import print_table
from soak.cgroup import memory_group
from soak.service import OUR_TREE, ServiceFault
from tests.stress.attacks.outcome import Outcome
from tests.stress.attacks.registry import Attack, attacks
from tests.stress.attacks.trial import Plan, Trial
from tests.stress.running import LIMIT_BYTES

HEADER = (
    "attack",
    "clients",
    "OOM kills",
    "peak MiB",
    "live ms",
    "honest",
    "newcomers",
    "kept MB",
    "API CPU",
    "verdict",
)


def main() -> None:
    arguments = _arguments()
    chosen = _chosen(arguments.names)
    lines = arguments.lines
    done = _read(lines)
    for name, attack in chosen.items():
        for clients in arguments.clients:
            if f"{name} x{clients}" in done:
                continue
            outcome = _try(attack, clients, Plan(arguments.seconds, arguments.alone), arguments.tree)
            row = _row(outcome)
            print(f"{name} x{clients}: {'; '.join(outcome.faults()) or 'held'} | {outcome.told()}", flush=True)
            done[f"{name} x{clients}"] = row
            with lines.open("a") as file:
                file.write(json.dumps(row) + "\n")
    _print(done, arguments)


def _try(attack: Attack, clients: int, plan: Plan, tree: Path) -> Outcome:
    SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="attack-", dir=SCRATCH) as folder, memory_group(LIMIT_BYTES) as group:
        try:
            return asyncio.run(Trial(Path(folder), group, plan, tree).run(attack, clients))
        except ServiceFault as error:
            raise SystemExit(str(error)) from None


def _row(outcome: Outcome) -> dict[str, Any]:
    worst = outcome.live.worst
    return {
        "attack": outcome.name,
        "what": outcome.what,
        "clients": outcome.clients,
        "cells": [
            str(outcome.oom_kills),
            f"{outcome.peak_bytes / MIB:.0f}",
            f"{worst * 1000:.0f}" if worst < float("inf") else "none",
            f"{outcome.honest_share:.2f}",
            f"{outcome.newcomers.answered:.2f}",
            f"{outcome.kept_bytes / 1e6:.1f}",
            f"{outcome.api_busy:.2f}",
        ],
        "faults": outcome.faults(),
        "told": outcome.told(),
    }


def _print(done: Mapping[str, Mapping[str, Any]], arguments: argparse.Namespace) -> None:
    held = sum(not row["faults"] for row in done.values())
    commit = subprocess.run(
        ["git", "-C", str(arguments.tree), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    machine = f"300 MiB, {os.cpu_count()} cores, load now {os.getloadavg()[0]:.1f}"
    print(f"\n{held} of {len(done)} held. Commit {commit}, {arguments.seconds:g} s each, {machine}.\n")
    print_table(
        HEADER, [[r["attack"], r["clients"], *r["cells"], "; ".join(r["faults"]) or "held"] for r in done.values()]
    )
    print()
    whats = {row["attack"]: row["what"] for row in done.values()}
    print_table(("attack", "what one client does"), list(whats.items()))


def _read(lines: Path) -> dict[str, dict[str, Any]]:
    if not lines.exists():
        return {}
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    return {f"{row['attack']} x{row['clients']}": row for row in rows}


def _chosen(parts: Sequence[str]) -> dict[str, Attack]:
    found = {name: one for name, one in attacks().items() if not parts or any(part in name for part in parts)}
    if not found:
        raise SystemExit(f"no attack is called so; there are {', '.join(attacks())}")
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m tests.stress.attacks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--alone", type=float, default=3.0, help="seconds that the honest client is measured alone")
    parser.add_argument("--tree", type=Path, default=OUR_TREE)
    parser.add_argument("--lines", type=Path, default=SCRATCH / "attacks.jsonl")
    return parser.parse_args()


if __name__ == "__main__":
    main()
