"""JSON shapes of what the service says of itself: its health, its settings, its limits."""

from __future__ import annotations

from typing import Any, Literal

from app.http.schema import Schema


class HealthSchema(Schema):
    status: str


class ReadinessSchema(Schema):
    """Whether new work is welcome, and where it is not, why."""

    status: Literal["ready", "not ready"]
    reasons: list[str]


class SettingSchema(Schema):
    """One setting: the variable that sets it, and its value now; of a secret only that it is set."""

    name: str
    description: str
    default: Any
    value: Any


class DerivedSchema(Schema):
    """What follows from the settings and the machine."""

    limit_bytes: int
    limit_source: str
    budget_bytes: int
    largest_grant_bytes: int
    vision_workers: int
    max_frame_bytes: int
    job_workers: int
    max_queued_jobs: int


class LimitsSchema(Schema):
    settings: list[SettingSchema]
    derived: DerivedSchema
