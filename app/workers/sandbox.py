"""The cage a child puts itself into before it touches any input.

What it may call is in `filters.py`, what it may open in `landlock.py` (docs/decisions/0004-sandbox.md, 0025).
"""

from __future__ import annotations

import math
import os
import resource
import signal
import stat
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from app.domain.sandbox import SandboxPolicy, Sockets
from app.domain.units import GIB
from app.workers import cage, filters, landlock, libraries
from app.workers.forking import fork_obstacle
from app.workers.system_calls import ARCHITECTURES

OOM_SCORE_ADJ = 900
"""Well above the API's 0: the kernel takes a child first. Raising one's own score needs no privilege."""

NICENESS = 5
"""A third of the API's weight: the API answers, and hands out the next call, when it has to (docs/decisions/0020)."""

OPEN_FILES = 128
"""A child has 6 descriptors, and opens a file at a time."""

_FILE_BYTES = GIB
"""The largest file it may write: none but what it was passed, and standard error where that is a file."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is agreed for one child: `reads` and `writes` are files and folders beside the libraries, `sockets` those
    that it may make."""

    policy: SandboxPolicy
    niceness: int
    data_limit_bytes: int | None
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    sockets: Sockets = "none"

    @classmethod
    def read(cls, opening: dict[str, Any], package: Iterable[str]) -> Terms:
        """Read the opening message of a child (`WorkerSpec.opening`) whose handler is in this package."""
        return cls(
            policy=opening["sandbox"],
            niceness=opening["niceness"],
            data_limit_bytes=opening["dataLimitBytes"],
            reads=(*opening["reads"], *package),
            writes=tuple(opening["writes"]),
            sockets=opening.get("sockets", "none"),
        )


def outlook(policy: SandboxPolicy) -> dict[str, object]:
    """Return what the cage can be expected to do on this machine, and how children are started, before any is."""
    known = sys.platform.startswith("linux") and os.uname().machine in ARCHITECTURES
    has_filters = known and Path("/proc/sys/kernel/seccomp/actions_avail").exists()
    version = landlock.abi() if known else 0
    held = {"system calls": has_filters, "files": version > 0}
    return {
        "policy": policy,
        "network": not has_filters,
        "landlock": version,
        "missing": [part for part, holds in held.items() if not holds],
        "startMethod": "fork" if fork_obstacle() is None else "exec",
        "observed": False,
    }


def niceness_of_children() -> int:
    """Return the niceness that children of this process are to have."""
    return min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)


def enter(parent_pid: int, terms: Terms) -> dict[str, Any]:
    """Put this process into the cage; what the platform lacks is reported, not raised.

    Call it on the main thread, before any other thread is there: filters and rules cover the calling thread and what it
    starts later. Return what holds, as the memory probe shows it: `network` is whether the network can be reached,
    `missing` names the parts that do not hold.
    """
    step_back(terms.niceness)
    held = {
        "death with the service": cage.die_with(parent_pid),
        "OOM score": cage.set_oom_score(OOM_SCORE_ADJ),
        "resource limits": _limit(terms.data_limit_bytes),
        "privileges": cage.drop_privileges(),
    }
    version = _confine_files(terms)
    held["files"] = version > 0
    held["system calls"] = _filter(filters.CHILD, may_write=bool(terms.writes), sockets=terms.sockets)
    return {
        "policy": terms.policy,
        "network": terms.sockets == "network" or not held["system calls"],
        "landlock": max(0, version),
        "missing": [part for part, holds in held.items() if not holds],
        "parentDeathSignal": held["death with the service"],
        "oomScoreAdj": OOM_SCORE_ADJ if held["OOM score"] else None,
        "dataLimitBytes": terms.data_limit_bytes if held["resource limits"] else None,
        "observed": True,
    }


def shortfall(report: dict[str, Any]) -> list[str]:
    """Return the parts for whose want a child must do no work, by what `enter` reported.

    What the kernel does not have at all is not required: Landlock, and anything on other systems than Linux. `ballast
    doctor` and the probe tell.
    """
    if report["policy"] != "required" or not sys.platform.startswith("linux"):
        return []
    return [part for part in report["missing"] if part != "files" or landlock.abi() > 0]


def enter_as_zygote(niceness: int) -> None:
    """Put this process into what its children inherit, and what does not keep it from forking them."""
    step_back(niceness)
    cage.limit(core=0)
    cage.set_oom_score(OOM_SCORE_ADJ - 100)  # below the children's: if the kernel takes the zygote, all of them go
    cage.drop_privileges()
    _filter(filters.ZYGOTE, may_write=False)
    _compiled(os.uname().machine, filters.CHILD, False, "none")  # once for all children


def allow_processor_time(seconds: float) -> None:
    """Have the kernel end this process (SIGXCPU) when it has used so much more processor time.

    It is the deadline of a call where the service itself cannot keep it.
    """
    soft = math.ceil(time.process_time() + seconds) + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def step_back(niceness: int) -> None:
    """Leave the processor to the API when both want it: `niceness_of_children` is asked there."""
    os.setpriority(os.PRIO_PROCESS, 0, max(niceness, os.getpriority(os.PRIO_PROCESS, 0)))
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # so that it may log to a terminal whose process group it is not in


def _limit(data_limit_bytes: int | None) -> bool:
    # RLIMIT_DATA follows anonymous memory; RLIMIT_AS would need 2-3 times as much (libraries are mapped too).
    # No RLIMIT_NPROC: it counts the threads of the user, those of other containers too (docs/decisions/0025).
    limits = {"core": 0, "nofile": OPEN_FILES, "fsize": _FILE_BYTES + _log_bytes()}
    if data_limit_bytes is not None:
        limits["data"] = data_limit_bytes
    return cage.limit(**limits)


def _log_bytes() -> int:
    """Return how long standard error is already, where it is a file: the limit is on the position, not on a write."""
    found = os.fstat(sys.stderr.fileno())
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _confine_files(terms: Terms) -> int:
    """Let libraries and what was agreed be opened only. Return the version of Landlock that does it, 0: none does."""
    if not (version := landlock.abi() if sys.platform.startswith("linux") else 0):
        return 0
    try:
        # Kept open for good: the rule is on this very inode, and the kernel would make another when it needs room.
        os.open("/proc/self", os.O_PATH)
        rules = landlock.Rules(version, network=terms.sockets == "network")
        rules.read([*libraries.SYSTEM, *libraries.of_python(), *terms.reads])
        rules.change(terms.writes)
        rules.restrict()
    except OSError:
        return 0
    return version


def _filter(profile: str, *, may_write: bool, sockets: Sockets = "none") -> bool:
    code = _compiled(os.uname().machine, profile, may_write, sockets) if sys.platform.startswith("linux") else b""
    return bool(code) and cage.filter_system_calls(filters.bind(code, os.getpid()))


@cache
def _compiled(machine: str, profile: str, may_write: bool, sockets: Sockets) -> bytes:
    return filters.compile_filter(machine, profile, may_write=may_write, sockets=sockets)
