"""Whether a job would run now, and how."""

from __future__ import annotations

from app.domain.pressure import PressureLevel
from app.errors import BallastError
from app.ffmpeg.ladder import first_tried
from app.ffmpeg.profiles import Profile
from app.jobs.engine.child import ENGINE_BYTES
from app.jobs.plan import Plan
from app.jobs.room import JobsRoom
from app.status.schema import AdviceSchema, JobAdviceSchema


def job_advice(kind: str, plan: Plan | BallastError, advised: AdviceSchema, room: JobsRoom) -> JobAdviceSchema:
    """Return the advice, by a plan (or why there is none) and what holds of all work now."""
    if isinstance(plan, BallastError):
        return JobAdviceSchema(
            kind=kind,
            runs_now=False,
            reason=plan.detail,
            predicted_bytes=None,
            disk_bytes=None,
            profile=None,
            steps=None,
            chunk_seconds=None,
        )
    profile, needed_bytes = _first_way(plan, advised)
    reason = _obstacle(needed_bytes, advised, room)
    return JobAdviceSchema(
        kind=kind,
        runs_now=reason is None,
        reason=reason,
        predicted_bytes=needed_bytes,
        disk_bytes=plan.disk_bytes,
        profile=profile,
        steps=len(plan.steps),
        chunk_seconds=plan.chunk_seconds,
    )


def _first_way(plan: Plan, advised: AdviceSchema) -> tuple[str | None, int]:
    """Return with which profile it would begin, and what that reserves: as `Workroom.encode` decides it."""
    allowed = Profile[advised.ffmpeg_profile.name]
    ways = [(rung, needed_bytes) for rung, needed_bytes in plan.ways if rung.profile <= allowed]
    if not ways:
        return plan.profile, plan.predicted_bytes
    rung, needed_bytes = ways[first_tried(ways, advised.free_bytes)]
    return rung.profile.name, needed_bytes


def _obstacle(needed_bytes: int, advised: AdviceSchema, room: JobsRoom) -> str | None:
    if advised.level == PressureLevel.CRITICAL.name:
        return "Memory is critical: jobs wait."
    needed_bytes = max(needed_bytes, 0 if room.engine.is_running else ENGINE_BYTES)
    if needed_bytes > advised.free_bytes:
        return f"It needs {needed_bytes} bytes; {advised.free_bytes} are free."
    if room.slots.taken >= room.workers:
        return "Other jobs are at work: it would wait for its turn."
    return room.engine.trouble
