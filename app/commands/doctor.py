"""`ballast doctor`: looks at this machine and says how to fix what is wrong."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from itertools import chain
from typing import TYPE_CHECKING

from app.command import Command

if TYPE_CHECKING:
    from app.domain.check import Check


class Doctor(Command):
    name = "doctor"
    summary = "check this machine and say how to fix what is wrong"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the findings as JSON")

    def run(self, options: Namespace) -> int:
        """Return 0 where nothing fails, 1 otherwise; warnings do not count."""
        from app.doctor.machine_checks import check_machine
        from app.doctor.service_checks import check_service
        from app.domain.check import Status

        checks = []
        for check in chain(check_machine(), check_service()):
            checks.append(check)
            if not options.json:
                _print(check)
        if options.json:
            _print_json(checks)
        else:
            print(", ".join(f"{sum(check.status is status for check in checks)} {status}" for status in Status))
        return 1 if any(check.status is Status.FAIL for check in checks) else 0


def _print(check: Check) -> None:
    print(f"{check.status:^6} {check.name:<24} {check.found}", flush=True)
    if check.fix:
        print(f"{'':31} -> {check.fix}")


def _print_json(checks: list[Check]) -> None:
    import dataclasses
    import json

    print(json.dumps({"checks": [dataclasses.asdict(check) for check in checks]}, indent=2))
