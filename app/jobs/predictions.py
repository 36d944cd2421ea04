"""What a job would take, without submitting it."""

from __future__ import annotations

from collections.abc import Sequence

from app.errors import BallastError
from app.http.problems import problem
from app.jobs.kind import JobKind
from app.jobs.order_form import OrderForm
from app.jobs.params import JobParams
from app.jobs.plan import Plan
from app.jobs.room import JobsRoom
from app.jobs.schema import PredictionSchema


async def predict(
    jobs: JobsRoom, kinds: Sequence[JobKind[JobParams]], media_id: str, client: str
) -> list[PredictionSchema]:
    """Return for each kind what a job with the usual parameters would take of an item, or why it could not be done.

    Raises:
        NotFound: there is no such item.
    """
    return [_told(plan) for plan in await jobs.submissions.predict(kinds, media_id, client)]


async def foresee(jobs: JobsRoom, form: OrderForm, client: str) -> PredictionSchema:
    """Return what a job would take as it is ordered, or why it could not be done."""
    try:
        return _told(await jobs.submissions.foresee(form, client))
    except BallastError as error:
        return _told(error)


def _told(plan: Plan | BallastError) -> PredictionSchema:
    if isinstance(plan, Plan):
        return PredictionSchema(
            predicted_bytes=plan.predicted_bytes,
            disk_bytes=plan.disk_bytes,
            steps=len(plan.steps),
            chunk_seconds=plan.chunk_seconds,
            profile=plan.profile,
            problem=None,
        )
    told = {name: value for name, value in problem(plan).items() if value is not None}
    return PredictionSchema(
        predicted_bytes=None, disk_bytes=None, steps=None, chunk_seconds=None, profile=None, problem=told
    )
