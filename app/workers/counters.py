"""What a pool counts, since it was made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class CrewCounters:
    """`died` ended without being asked to, `recycled` were replaced because they had outgrown."""

    started: int = 0
    died: int = 0
    recycled: int = 0


@dataclass(slots=True)
class PoolCounters:
    """`retried` were repeated after their child had died on them."""

    calls: int = 0
    retried: int = 0
