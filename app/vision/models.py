"""Loaded models in the worker: leased one call at a time, loaded when first needed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.vision.task import Model, VisionTask


@dataclass(slots=True, eq=False)
class _Instance:
    task: type[VisionTask]
    params: Hashable
    model: Model
    resident_bytes: int
    leased: bool = True


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """`resident_bytes` is how much the process grew while the model was loaded."""

    task: str
    params: dict[str, object]
    resident_bytes: int


@dataclass(slots=True)
class ModelShelf:
    """Instances by task and parameters: at most `slots` of a task, used by as many threads.

    A model's parameters are fixed when it is loaded. Where one is asked for with others, an idle instance is replaced:
    memory does not grow with the number of parameter sets.
    `loads` counts how often a model was loaded, `revision` how often what `loaded` tells has changed.
    """

    slots: int
    resident_bytes: Callable[[], int]
    loads: int = 0
    revision: int = 0
    _instances: list[_Instance] = field(default_factory=list)
    _loading: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def lease(self, task: type[VisionTask], asset: Path, params: Any) -> Iterator[Model]:
        """Lend a model of `task`, loaded with `params`, to this thread.

        Raises:
            Exception: what loading raises; nothing is kept then.
        """
        instance = self._idle(task, params) or self._load(task, asset, params)
        try:
            yield instance.model
        finally:
            with self._lock:
                instance.leased = False

    def loaded(self) -> list[LoadedModel]:
        with self._lock:
            return [LoadedModel(one.task.name, _values(one.params), one.resident_bytes) for one in self._instances]

    def unload(self, task: str, kept: int = 0) -> int:
        """Close idle instances of a task while it has more than `kept`; return how many."""
        with self._lock:
            same = [one for one in self._instances if one.task.name == task]
            surplus = [one for one in same if not one.leased][: max(0, len(same) - kept)]
            self._instances = [one for one in self._instances if one not in surplus]
            self.revision += 1
        for instance in surplus:
            instance.model.close()
        return len(surplus)

    def unload_surplus(self, kept: int) -> None:
        """Close idle instances of every task that has more than `kept`."""
        for task in {one.task for one in self.loaded()}:
            self.unload(task, kept)

    def _idle(self, task: type[VisionTask], params: Any) -> _Instance | None:
        with self._lock:
            for name in (task.name, task.served_by):
                for instance in self._instances:
                    if not instance.leased and instance.task.name == name and _alike(instance.params, params):
                        instance.leased = True
                        return instance
        return None

    def _load(self, task: type[VisionTask], asset: Path, params: Any) -> _Instance:
        # No other call waits for it: instances in use are not touched, and an idle one makes room.
        with self._lock:
            spare = self._take_spare(task)
            self._loading[task.name] += 1
        try:
            if spare is not None:
                spare.model.close()
            before = self.resident_bytes()
            instance = _Instance(task, params, task.load(asset, params), 0)
            instance.resident_bytes = max(0, self.resident_bytes() - before)
            with self._lock:
                self.loads += 1
                self.revision += 1
                self._instances.append(instance)
            return instance
        finally:
            with self._lock:
                self._loading[task.name] -= 1

    def _take_spare(self, task: type[VisionTask]) -> _Instance | None:
        """Take an idle instance of the task out if there would be too many with one more; the lock is held."""
        same = [one for one in self._instances if one.task is task]
        if len(same) + self._loading[task.name] < self.slots:
            return None
        spare = next((one for one in same if not one.leased), None)
        if spare is not None:
            self._instances.remove(spare)
            self.revision += 1
        return spare


@dataclass(slots=True)
class TrackerShelf:
    """The trackers of this worker by their ids; `loads` counts how often one was loaded.

    A tracker belongs to one stream, which sends one frame at a time, so it is not leased.
    """

    loads: int = 0
    _trackers: dict[str, Model] = field(default_factory=dict)

    def get(self, tracker: str, task: type[VisionTask], asset: Path, params: Any) -> Model:
        """Return a tracker, loaded when it is first asked for."""
        if tracker not in self._trackers:
            self.loads += 1
            self._trackers[tracker] = task.load_tracker(asset, params)
        return self._trackers[tracker]

    def drop(self, tracker: str) -> None:
        """Close a tracker, if it was ever used."""
        model = self._trackers.pop(tracker, None)
        if model is not None:
            model.close()


def _alike(first: Any, second: Any) -> bool:
    """Whether two parameter sets mean the same, even if they belong to two tasks."""
    return bool(_values(first) == _values(second))


def _values(params: Any) -> dict[str, object]:
    return {name: getattr(params, name) for name in params.__dataclass_fields__}
