"""What a kind of job is: one file in `app/jobs/kinds`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from app.jobs.params import JobParams
from app.jobs.plan import Json, Plan, Step
from app.jobs.source import Source
from app.jobs.workshop import Means, Workshop
from app.vision.task import VisionTask

P = TypeVar("P", bound=JobParams)

TaskLook: TypeAlias = tuple[type[VisionTask], Any]
"""A vision task and its parameters."""


class JobKind(ABC, Generic[P]):
    """Plans a job at submit, and does its steps; keeps nothing between calls."""

    name: ClassVar[str]
    """What clients call it."""

    summary: ClassVar[str]
    """One sentence for people."""

    max_inputs: ClassVar[int] = 1

    goes_on_without: ClassVar[bool] = False
    """Whether pictures among its inputs may be missing (`source.absent` stands for one)."""

    is_streamed: ClassVar[bool] = False
    """Whether it makes a package for players; `summary["master"]` is the address at which they begin."""

    params: type[P]
    """Its parameters (a subclass sets this to its model)."""

    def usual(self, sources: Sequence[Source]) -> dict[str, Any]:  # noqa: ARG002
        """Return parameters by which is told what it would take of these inputs; here: the defaults."""
        return {}

    def looks(self, params: P, means: Means) -> Sequence[TaskLook]:  # noqa: ARG002
        """Return with what it looks at pictures: the models of that must be here, or the job is refused."""
        return ()

    @abstractmethod
    def plan(self, sources: Sequence[Source], params: P, means: Means) -> Plan:
        """Return the steps; everything that can be known to fail is refused here, not after an hour.

        Raises:
            InvalidParameter: a parameter does not fit the inputs, or what it needs is not on this machine.
            UnsupportedMedia: an input is of a kind that this job cannot use.
            MemoryExceedsLimit: it could never fit, even the cheapest way.
        """

    @abstractmethod
    async def do(self, step: Step, params: P, shop: Workshop) -> Json:
        """Do one step; return what later steps, and the summary, need of it (small: it is kept durably).

        A step may be done again after a crash: it begins anew, and what it `keep`s takes the place of what it kept.

        Raises:
            Overloaded: there is no memory now; the step is tried again later.
            StorageFull: there is no room on the disk.
            BallastError: the job fails with this problem.
        """

    @abstractmethod
    def summary_of(self, params: P, results: Sequence[Json]) -> dict[str, Any]:
        """Return `result.summary` of the finished job from what its steps returned, in order."""
