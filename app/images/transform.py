"""What a client wants of a picture: operations with their parameters, in their order, and the format of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from app.images.conversion import Conversion
from app.images.operation import Operation
from app.images.pipeline import OPERATIONS

_BY_NAME = {operation.name: operation for operation in OPERATIONS}


@dataclass(frozen=True, slots=True)
class Step:
    """One operation that is wanted, and its parameters."""

    operation: type[Operation]
    params: Any


@dataclass(frozen=True, slots=True)
class Transform:
    """`steps` are in `pipeline.ORDER`, only those that do something. Equal wishes are equal.

    `accepted` is the format that `format=auto` means, if the request says; empty with any other format.
    """

    steps: tuple[Step, ...] = ()
    conversion: Conversion = field(default_factory=Conversion)
    accepted: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, Any], accept: str = "") -> Transform:
        """Return what checked parameters ask for, by their names in snake case; those left out have their defaults.

        `accept` is the request's Accept, which counts with `format=auto` only.

        Raises:
            InvalidParameter: two of them contradict each other.
        """
        steps = []
        for operation in OPERATIONS:
            params = operation.settled(operation.Params(**_own(operation.Params, values)))
            if operation.is_wanted(params):
                steps.append(Step(operation, params))
        conversion, accepted = Conversion(**_own(Conversion, values)).settled(accept)
        return cls(tuple(steps), conversion, accepted)

    @property
    def key(self) -> str:
        """What tells it from other ones: all that is not a default, sorted. The source and our version are not in it.

        For the names of entries in a cache, and in entity tags: equal keys of one source are equal answers.
        """
        members = [
            f"{one.name}={getattr(params, one.name)}"
            for params in (*(step.params for step in self.steps), self.conversion)
            for one in fields(params)
            if getattr(params, one.name) != one.default
        ]
        return "&".join(sorted(members) + [f"accepted={name}" for name in self.accepted])

    @property
    def needs_faces(self) -> bool:
        """Whether the faces in the picture must be known before it is rendered."""
        return any(step.operation.needs_faces(step.params) for step in self.steps)

    def params(self, name: str) -> Any:
        """Return the parameters of an operation; None where it is not wanted."""
        return next((step.params for step in self.steps if step.operation.name == name), None)

    def as_head(self) -> dict[str, Any]:
        """Return it as members of a call to a child."""
        return {
            "steps": {step.operation.name: asdict(step.params) for step in self.steps},
            "conversion": asdict(self.conversion),
        }

    @classmethod
    def of_head(cls, head: Mapping[str, Any]) -> Transform:
        """Return what `as_head` made; the child is told separately which format was chosen."""
        wanted = head["steps"]
        steps = tuple(
            Step(_BY_NAME[name], _BY_NAME[name].Params(**wanted[name])) for name in _BY_NAME if name in wanted
        )
        return cls(steps, Conversion(**head["conversion"]))


def _own(params: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return {one.name: values[one.name] for one in fields(params) if one.name in values}
