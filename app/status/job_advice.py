"""Whether a job would run now, and how."""

from __future__ import annotations

from app.domain.pressure import PressureLevel
from app.jobs.engine.child import ENGINE_BYTES
from app.jobs.room import JobsRoom
from app.jobs.schema import PredictionSchema
from app.status.schema import AdviceSchema, JobAdviceSchema


def job_advice(kind: str, prediction: PredictionSchema, advised: AdviceSchema, room: JobsRoom) -> JobAdviceSchema:
    """Return the advice, by a prediction and what holds of all work now."""
    reason = _obstacle(prediction, advised, room)
    return JobAdviceSchema(
        kind=kind,
        runs_now=reason is None,
        reason=reason,
        predicted_bytes=prediction.predicted_bytes,
        disk_bytes=prediction.disk_bytes,
        profile=prediction.profile,
        steps=prediction.steps,
        chunk_seconds=prediction.chunk_seconds,
    )


def _obstacle(prediction: PredictionSchema, advised: AdviceSchema, room: JobsRoom) -> str | None:
    if prediction.problem is not None or prediction.predicted_bytes is None:
        return str((prediction.problem or {}).get("detail"))
    if advised.level == PressureLevel.CRITICAL.name:
        return "Memory is critical: jobs wait."
    needed_bytes = max(prediction.predicted_bytes, 0 if room.engine.is_running else ENGINE_BYTES)
    if needed_bytes > advised.free_bytes:
        return f"It needs {needed_bytes} bytes; {advised.free_bytes} are free."
    if room.slots.taken >= room.workers:
        return "Other jobs are at work: it would wait for its turn."
    return room.engine.trouble
