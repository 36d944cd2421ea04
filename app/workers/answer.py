"""Errors that crossed the channel, made into exceptions again."""

from __future__ import annotations

from app.errors import BallastError, WorkerFailed
from app.workers.channel import Head


def error_of(head: Head) -> BallastError:
    """Return the error that a child answered with, as `{"error": code, "detail", "extra"?}`."""
    classes = {cls.code: cls for cls in BallastError.__subclasses__()}
    cls = classes.get(head["error"], WorkerFailed)
    return cls(head["detail"], **head.get("extra", {}))
