"""What it is to a client that a step of a job went wrong."""

from __future__ import annotations

import logging

from app.errors import BallastError, InternalError, ProcessingTimeout, of_system
from app.jobs.book.steps import WrittenStep

logger = logging.getLogger("ballast.jobs")


def step_problem(error: Exception) -> BallastError:
    """Return the problem that an exception is."""
    if isinstance(error, BallastError):
        return error
    if isinstance(error, TimeoutError):
        return ProcessingTimeout("A step of the job took too long.")
    if (known := of_system(error)) is not None:
        return known
    logger.error("a step failed unexpectedly", exc_info=error)
    return InternalError("An unexpected error occurred. The id of the job finds it in the log.")


def fatal_step(written: WrittenStep) -> BallastError:
    """Return the problem of a step in which the service died each time that it was begun."""
    return InternalError(f"The service ended {written.begun} times while it was {written.step.words}: it gives up.")
