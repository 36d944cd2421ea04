"""`ballast doctor`: looks at this machine and says how to mend what is wrong."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterable
from itertools import chain

from app.doctor.machine_checks import check_machine
from app.doctor.service_checks import check_service
from app.domain.check import Check, Status

_MARKS = {Status.OK: "  ok  ", Status.WARN: " warn ", Status.FAIL: " FAIL "}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(options: argparse.Namespace) -> int:
    """Return 0 where nothing fails, 1 otherwise; warnings do not count."""
    findings = chain(check_machine(), check_service())
    checks = _print_json(findings) if options.json else _print_lines(findings)
    return 1 if any(check.status is Status.FAIL for check in checks) else 0


def _print_lines(findings: Iterable[Check]) -> list[Check]:
    checks = []
    for check in findings:
        checks.append(check)
        print(f"{_MARKS[check.status]} {check.name:<24} {check.found}", flush=True)
        if check.mend:
            print(f"{'':31} -> {check.mend}")
    counts = [f"{sum(check.status is status for check in checks)} {status}" for status in Status]
    print(", ".join(counts))
    return checks


def _print_json(findings: Iterable[Check]) -> list[Check]:
    checks = list(findings)
    print(json.dumps({"checks": [dataclasses.asdict(check) for check in checks]}, indent=2))
    return checks
