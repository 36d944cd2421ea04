"""What a job would take, without submitting it."""

from __future__ import annotations

from app.errors import BallastError, NotFound
from app.http.problems import problem
from app.jobs.room import JobsRoom
from app.jobs.schema import PredictionSchema


async def predict(jobs: JobsRoom, kind: str, media_id: str, client: str) -> PredictionSchema:
    """Return what a job with the usual parameters would take of an item, or why it could not be done.

    Raises:
        InvalidParameter: there is no such kind.
        NotFound: there is no such item.
    """
    found = jobs.submissions.kind(kind)
    try:
        plan = await jobs.submissions.predict(found, media_id, client)
    except NotFound:
        raise
    except BallastError as error:
        told = {name: value for name, value in problem(error).items() if value is not None}
        return PredictionSchema(
            predicted_bytes=None,
            disk_bytes=None,
            steps=None,
            chunk_seconds=None,
            profile=None,
            problem=told,
        )
    return PredictionSchema(
        predicted_bytes=plan.predicted_bytes,
        disk_bytes=plan.disk_bytes,
        steps=len(plan.steps),
        chunk_seconds=max((step.weight for step in plan.steps), default=None),
        profile=plan.profile,
        problem=None,
    )
