"""Parameters of a vision task beside those of a job: the task's own model checks them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from app.errors import InvalidParameter
from app.vision.params import query_model, read_params
from app.vision.task import VisionTask, vision_tasks

_tasks = cache(vision_tasks)


def chosen_task(name: str, values: Mapping[str, Any]) -> tuple[type[VisionTask], Any]:
    """Return the task of this name and its parameters, which are named as in JSON.

    Raises:
        InvalidParameter: there is no such task, or it has no such parameter, or not with this value.
    """
    task = _tasks().get(name)
    if task is None:
        raise InvalidParameter(f"task: there is no {name[:40]!r}; there are {', '.join(sorted(_tasks()))}.")
    with named_as_params():
        checked = read_params(query_model(task), dict(values))
    return task, task.Params(**checked.model_dump())


def face_search() -> tuple[type[VisionTask], Any]:
    """Return the task that heads are searched with, and its parameters."""
    task = _tasks()["face-detection"]
    return task, task.Params()


@contextmanager
def named_as_params() -> Iterator[None]:
    """Have `errors` of what is refused in the block say that it stands in `params` of a job, not in a query.

    Raises:
        InvalidParameter: with `errors` so.
    """
    try:
        yield
    except InvalidParameter as error:
        for one in error.extra.get("errors", []):  # type: ignore[attr-defined]
            one["where"] = ["params", one["where"][-1]]
        raise
