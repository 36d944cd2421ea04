"""One finding of `ballast doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what was found, and how to fix it where something is wrong.

    `WARN` is for what costs a feature or a safeguard, `FAIL` for what keeps the service from doing its main work.
    """

    name: str
    status: Status
    found: str
    fix: str = ""


def passed(name: str, found: str) -> Check:
    return Check(name, Status.OK, found)


def warned(name: str, found: str, fix: str) -> Check:
    return Check(name, Status.WARN, found, fix)


def failed(name: str, found: str, fix: str) -> Check:
    return Check(name, Status.FAIL, found, fix)
