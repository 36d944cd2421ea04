"""How one kind of child is started, and how many of it there may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.domain.sandbox import SandboxPolicy, Sockets
from app.memory.cpus import available_cpus
from app.workers.sandbox import niceness_of_children


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """`workers` children at most; `waiting` calls in line at most, each for `wait_seconds` at most."""

    workers: int = 1
    idle_seconds: float = 300.0
    waiting: int = 256
    wait_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """One kind of child.

    `entry` is `module:function`; the function gets `options`, loads what the child is for and returns a handler
    (`workers.child.Handler`). A child works on one call at a time; a busy one gets `ahead` further calls, so that it
    need not wait for us when it has answered: on two cores 8 % more pictures a second. It can open nothing but
    libraries, what is in `reads`, and, for writing too, what is in `writes`: files or folders. Where it
    `takes_descriptors`, a call may have open files of ours with it (`Message.descriptors`). `sockets`: which it may
    make itself. A child that has had no call for `rest_seconds` gives back what its heap has kept; None: it never does.
    """

    role: str
    entry: str
    sandbox: SandboxPolicy = "required"
    options: dict[str, Any] = field(default_factory=dict)
    limits: PoolLimits = field(default_factory=PoolLimits)
    ahead: int = 0
    data_limit_bytes: int | None = None
    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    takes_descriptors: bool = False
    sockets: Sockets = "none"
    rest_seconds: float | None = None
    start_seconds: float = 30.0
    log_level: str = "info"

    def opening(self) -> dict[str, Any]:
        """Return the head of the first message to a child: what it needs to know of this."""
        return {
            "entry": self.entry,
            "options": self.options,
            "sandbox": self.sandbox,
            "dataLimitBytes": self.data_limit_bytes,
            "reads": [str(path.absolute()) for path in self.reads],
            "writes": [str(path.absolute()) for path in self.writes],
            "sockets": self.sockets,
            "niceness": niceness_of_children(),
            "processors": available_cpus(),
            "restSeconds": self.rest_seconds,
            "logLevel": self.log_level,
        }
