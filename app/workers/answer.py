"""What a child answers, checked: a child may have been taken over by what it decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.errors import BallastError, WorkerFailed
from app.workers.channel import Frame, Head

_CLASSES = {cls.code: cls for cls in BallastError.__subclasses__()}


class MalformedAnswer(Exception):
    """What came is no answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one call.

    `head` is the handler's own, `error` what it raised (None: nothing). `peak_bytes` is None where other calls ran
    beside this one; `fatal` says that the child must not be used any more, `recalled` that the call was not begun.
    """

    call: int
    pid: int
    resident_bytes: int
    peak_bytes: int | None
    head: Head
    payload: bytes
    error: BallastError | None
    fatal: bool
    recalled: bool = False


def answer_of(frame: Frame) -> Answer:
    """Read an answer.

    Raises:
        MalformedAnswer: it does not have the form that `child.py` gives it.
    """
    head = dict(frame.head)
    try:
        memory = head.pop("memory")
        peak_bytes = memory["peakBytes"]
        return Answer(
            call=_whole(head.pop("call")),
            pid=_whole(head.pop("pid")),
            resident_bytes=_whole(memory["residentBytes"]),
            peak_bytes=None if peak_bytes is None else _whole(peak_bytes),
            error=_error(head) if "error" in head else None,
            fatal=bool(head.pop("fatal", False)),
            recalled=bool(head.pop("recalled", False)),
            head=head,
            payload=frame.payload,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedAnswer(str(error)) from error


def _whole(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(f"not a number: {value!r}")
    return value


def _error(head: Head) -> BallastError:
    detail = head["detail"]
    if not isinstance(detail, str):
        raise TypeError("an error without words")
    return _CLASSES.get(head["error"], WorkerFailed)(detail, **head.get("extra", {}))
