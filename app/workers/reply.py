"""What a child replies, checked: it may have been taken over by what it decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.errors import BallastError, WorkerFailed
from app.workers.channel import Head, Message
from app.workers.ending import WorkerGone

_ERRORS = {cls.code: cls for cls in BallastError.__subclasses__()}


class MalformedReply(Exception):
    """What came is not a reply."""


class CallRecalled(Exception):
    """The call was taken back before it was begun."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to one call. `peak_bytes` is None where it could not be measured."""

    head: Head
    payload: bytes
    pid: int
    peak_bytes: int | None
    queued_seconds: float = 0.0


Outcome = Reply | BallastError | CallRecalled | WorkerGone | TimeoutError
"""How a call ended: with a reply, with what the handler raised, recalled, with its child, or at its deadline."""


@dataclass(frozen=True, slots=True)
class Completion:
    """How a call ended: with a reply, with what the handler raised, or recalled.

    `fatal` says that the child must not be used any more.
    """

    call: int
    resident_bytes: int
    outcome: Reply | BallastError | CallRecalled
    fatal: bool


def read_completion(message: Message) -> Completion:
    """Read what a child says about one call.

    Raises:
        MalformedReply: it does not have the form that `child.py` gives it.
    """
    head = dict(message.head)
    try:
        memory = head.pop("memory")
        call, pid = _whole(head.pop("call")), _whole(head.pop("pid"))
        peak_bytes = None if memory["peakBytes"] is None else _whole(memory["peakBytes"])
        fatal = bool(head.pop("fatal", False))
        outcome: Reply | BallastError | CallRecalled
        if head.pop("recalled", False):
            outcome = CallRecalled()
        elif "error" in head:
            outcome = _error(head)
        else:
            outcome = Reply(head, message.payload, pid, peak_bytes)
        return Completion(call, _whole(memory["residentBytes"]), outcome, fatal)
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedReply(str(error)) from error


def read_refusal(message: Message) -> BallastError | None:
    """Read the first thing a child says: None where it is ready, else why its handler could not be built.

    Raises:
        MalformedReply: it is neither.
    """
    head = message.head
    try:
        if "ready" not in head:
            return _error(head)
        _whole(head["residentBytes"])
        if not isinstance(head["sandbox"], dict):
            raise TypeError("the sandbox is not described")
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedReply(str(error)) from error
    return None


def _whole(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(f"not a number: {value!r}")
    return value


def _error(head: Head) -> BallastError:
    detail = head["detail"]
    if not isinstance(detail, str):
        raise TypeError("the error has no message")
    return _ERRORS.get(head["error"], WorkerFailed)(detail, **head.get("extra", {}))
