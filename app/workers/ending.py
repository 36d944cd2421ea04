"""How a child ended, and whether that speaks against what it worked on."""

from __future__ import annotations

import signal
from enum import Enum, auto

_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""No fault of its own code raises these: a person sends them, or the kernel for want of memory, or with the zygote."""


class Ending(Enum):
    """Only a CRASH counts: against its input, and against the kind of child where different inputs cause it."""

    RELEASED = auto()
    """It was let go."""
    DEADLINE = auto()
    """A call took too long, and it was killed, by us or for its processor time."""
    KILLED = auto()
    """The governor, the kernel or a person killed it, or its zygote died."""
    MEMORY = auto()
    """It reached its data limit, said so, and was replaced."""
    MALFORMED = auto()
    """It said what is no reply, and was cut off."""
    CRASH = auto()
    """Its own code ended it, or it was not ready in time."""


class WorkerGone(Exception):
    """A child ended, or was ended, before it replied, or before it was ready."""

    def __init__(self, message: str, ending: Ending = Ending.CRASH) -> None:
        super().__init__(message)
        self.ending = ending


def ending_by_itself(exit_code: int) -> Ending:
    """Return how a child ended that nobody here ended, by the exit code as `subprocess` gives it."""
    if exit_code == -signal.SIGXCPU:
        return Ending.DEADLINE
    return Ending.KILLED if -exit_code in _FROM_OUTSIDE else Ending.CRASH


def describe_exit(exit_code: int) -> str:
    """Return the name of the signal, or the exit code in words."""
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"exit code {exit_code}"
