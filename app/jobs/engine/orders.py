"""What the service and the jobs child say to each other, over a channel of their own.

The service says `start` (a job that is to be worked on), `forget` (one that is not any more), `answer` (to a step). The
child says `ask` (for a step), `over` (what was to be started has ended already, by what the child remembers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from app.workers.channel import Head

Outcome = Literal["done", "later", "stopped", "astray"]
"""`later`: after so many seconds, without holding a place. `stopped`: nothing more of this job is to be done.

`astray`: a step before this one is not done; the run ends, and the service begins another.
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """A step of a run of a job. `number` is the child's, for the answer."""

    number: int
    job_id: str
    run: int
    place: int

    @classmethod
    def read(cls, head: Head) -> Ask:
        """Raises: KeyError, TypeError, ValueError: it is none."""
        return cls(int(head["ask"]), str(head["job"]), int(head["run"]), int(head["place"]))

    def head(self) -> dict[str, Any]:
        return {"ask": self.number, "job": self.job_id, "run": self.run, "place": self.place}


@dataclass(frozen=True, slots=True)
class Answer:
    outcome: Outcome
    seconds: float = 0.0

    def head(self, number: int) -> dict[str, Any]:
        return {"answer": number, "outcome": self.outcome, "seconds": self.seconds}


def workflow_id(job_id: str, run: int) -> str:
    """Return what the child calls a run of a job."""
    return f"{job_id}-{run}"
