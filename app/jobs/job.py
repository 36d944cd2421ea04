"""One job, as the book keeps it and clients see it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.errors import Conflict
from app.jobs.plan import Json
from app.jobs.states import JobState

SHOWN_INPUTS = 100
"""How many of its inputs a job names in answers; a batch may have thousands."""


@dataclass(frozen=True, slots=True)
class JobMemory:
    """`predicted_bytes`: the largest that a step will reserve. `peak_bytes`: the largest that was seen so far.

    `profile`: the FFmpeg profile of the last run, or of the plan. `retries`: runs that were repeated with less memory.
    """

    predicted_bytes: int = 0
    peak_bytes: int = 0
    profile: str | None = None
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """`number` counts jobs in the order of their submission (0: not in the book yet). Times are seconds since 1970.

    `inputs` are the first `SHOWN_INPUTS` ids of `input_count`. `sequence` rises with each change: the id of its events.
    `run` counts from 1 and rises with each retry. `attempts` rises when a run begins (`started_at` is None until then),
    and with each beginning of a step that was begun before.
    `disk_bytes` is what its files may take.
    """

    id: str
    kind: str
    client: str
    inputs: tuple[str, ...]
    is_list: bool
    params: Json
    priority: int
    created_at: float
    machine: str
    number: int = 0
    input_count: int = 1
    step_count: int = 0
    disk_bytes: int = 0
    state: JobState = JobState.QUEUED
    progress: float = 0.0
    step: str = "waiting for its turn"
    eta_seconds: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    attempts: int = 0
    run: int = 1
    sequence: int = 1
    webhook: str | None = None
    idempotency_key: str | None = None
    summary: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    memory: JobMemory = field(default_factory=JobMemory)

    def changed(self, **members: Any) -> Job:
        """Return it with these members, one event later."""
        return replace(self, sequence=self.sequence + 1, **members)

    def moved(self, state: JobState, **members: Any) -> Job:
        """Return it in another state.

        Raises:
            Conflict: that state cannot follow.
        """
        if state is not self.state and not self.state.may_become(state):
            raise Conflict(f"The job is {self.state.value}.")
        return self.changed(state=state, **members)


def new_id() -> str:
    """Make the id of a job; it is also the name of its folder."""
    return "j" + secrets.token_hex(12)
