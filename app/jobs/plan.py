"""The plan of a job: fixed when it is submitted, so that a run after a crash does the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from app.ffmpeg.profiles import Rung

Json: TypeAlias = Mapping[str, Any]
"""Members that can be written as JSON."""


@dataclass(frozen=True, slots=True)
class Step:
    """One durable step: done once, or again from its beginning after a crash; what it writes has names of its own.

    `name` is unique in the plan and is part of file names (letters, digits, hyphens). `words` tell a person what it
    does ("encoding part 3 of 8"). `weight` is its part of the work, compared with the other steps: seconds, if known.
    `args` are what its kind needs to do it.
    """

    name: str
    words: str
    weight: float = 1.0
    args: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """`predicted_bytes`: the largest that a step will reserve. `disk_bytes`: what all its files take on the disk at
    most at a time, the results included. `profile`: the FFmpeg profile that it was planned with, if any. `needs`: the
    ids of stored pictures that it needs beside its inputs, by the parameter that names each.

    `ways`: of a job that encodes, the ways that can ever fit, dearest first, and the bytes that each reserves; which is
    taken is decided when it begins. `chunk_seconds`: how much of its input is worked on in one step, for kinds that cut
    it into parts."""

    steps: Sequence[Step]
    predicted_bytes: int
    disk_bytes: int
    profile: str | None = None
    needs: Mapping[str, str] = field(default_factory=dict)
    ways: Sequence[tuple[Rung, int]] = ()
    chunk_seconds: float | None = None
