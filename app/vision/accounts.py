"""Which worker holds which models, and the ledger entry of each worker."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.priority import Priority
from app.domain.units import MIB
from app.memory.governor import EnrolledProcess, Governor
from app.memory.reservation import Reservation
from app.vision.models import LoadedModel
from app.vision.task import VisionTask
from app.workers.process import WorkerProcess
from app.workers.sandbox import outlook

WORKER_BYTES = 46 * MIB
"""Resident memory of a vision worker without a model, once it has decoded: interpreter, numpy, Pillow, MediaPipe."""

logger = logging.getLogger("ballast.inference")

INSTANCES_PART = "instances"
"""The part of a worker's entry that further instances of its models take."""

_CHANGE_SECONDS = 3.0
"""How long after a change of its entry a worker is not judged: the last sample of it may be older than the change."""

GROWTH_BYTES = 64 * MIB
"""How far a worker may outgrow what was reserved for it before it is replaced."""


@dataclass(slots=True)
class _Account:
    worker: WorkerProcess
    holder: Reservation
    models: tuple[LoadedModel, ...] = ()
    revision: int = 0
    changed_at: float = 0.0


class WorkerAccounts:
    """Keeps one account for each worker; a `WorkerLedger` of the pool."""

    def __init__(
        self,
        governor: Governor,
        role: str,
        tasks: Mapping[str, type[VisionTask]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tasks = tasks
        self._governor = governor
        self._role = role
        self._accounts: dict[int, _Account] = {}
        self._clock = clock
        self._growth: Reservation | None = None
        self.sandbox: dict[str, Any] = outlook()

    def parts_to_load(self, task: type[VisionTask], params: dict[str, object]) -> dict[str, int]:
        """Return what must be reserved before `task` can be served: nothing where a worker has a model for it.

        A worker that has the task's own model with other parameters replaces it (`ModelShelf`); one of the task that
        serves this one too must have the same.
        """
        loaded = [model for account in self._accounts.values() for model in account.models]
        for model in loaded:
            if model.task == task.name or (model.task == task.served_by and model.params == params):
                return {}
        parts = {f"model:{task.name}": task.instance_bytes if loaded else task.model_bytes}
        return parts if self._accounts else {"worker": WORKER_BYTES, **parts}

    def allowed(self, configured: int) -> int:
        """Return the mode's share of the workers; at least one, but none is started in SURVIVAL."""
        share = self._governor.policy.worker_share
        return max(1, int(configured * share)) if share > 0 else 0

    def first_concurrency(self, slots: int) -> int:  # noqa: ARG002 - part of the interface
        """A worker begins with one call at a time: the model of one is what was granted."""
        return 1

    def may_raise_concurrency(self, worker: WorkerProcess) -> bool:
        """Take bytes for one more instance of the largest model of a worker, if they are free and the mode keeps it."""
        account = self._accounts.get(worker.pid)
        if account is None or not self._governor.policy.keeps_idle_models:
            return False
        instance_bytes = max((self._tasks[model.task].instance_bytes for model in account.models), default=0)
        reservation = self._governor.budget.try_reserve(
            {INSTANCES_PART: instance_bytes}, owner=account.holder.owner, priority=Priority.LIVE
        )
        if reservation is None:
            return False
        account.holder.merge(reservation)
        return True

    def is_outgrown(self, worker: WorkerProcess) -> bool:
        """Whether a worker has grown more than `GROWTH_BYTES` beyond what it was granted."""
        account = self._accounts.get(worker.pid)
        if account is None or self._clock() - account.changed_at < _CHANGE_SECONDS:
            return False
        return account.holder.resident_bytes > account.holder.reserved_bytes + GROWTH_BYTES

    def may_grow(self) -> bool:
        """Take bytes for one more worker with the models that are in use, if they are free now."""
        if self._growth is None:
            largest = max((_models_bytes(account) for account in self._accounts.values()), default=0)
            self._growth = self._governor.budget.try_reserve(
                {"worker": WORKER_BYTES, "models": largest}, owner=self._owner, priority=Priority.LIVE
            )
        return self._growth is not None

    def started(self, worker: WorkerProcess) -> None:
        # The first worker's bytes are in the reservation of the request that it was started for: see `take_over`.
        holder = self._growth or self._governor.budget.record({"worker": WORKER_BYTES}, owner=self._owner)
        self._accounts[worker.pid] = _Account(worker, holder)
        self._growth = None
        self.sandbox = worker.sandbox
        if worker.sandbox.get("network"):
            logger.warning("the %s worker can reach the network: seccomp is not possible here", self._role)
        self._governor.enroll(EnrolledProcess(worker.pid, self._role, holder, worker.kill))

    def ended(self, worker: WorkerProcess) -> None:
        account = self._accounts.pop(worker.pid, None)
        self._governor.dismiss(worker.pid)
        if account is not None:
            account.holder.release()

    def record_models(self, pid: int, head: Mapping[str, Any]) -> None:
        """Record what a worker says in a reply's head that it has loaded, unless it has said something newer."""
        account = self._accounts.get(pid)
        if account is None or head["revision"] < account.revision:
            return
        account.revision = head["revision"]
        account.models = tuple(LoadedModel(one["task"], one["params"], one["residentBytes"]) for one in head["models"])

    def take_over(self, pid: int, reservation: Reservation, parts: Iterable[str]) -> None:
        """Move `parts` of a request's reservation to the worker, which keeps what they stand for.

        The worker itself has had an entry since it started, so that part is given back. A worker that was started
        again in the middle of a call brings models that nobody reserved: they are entered as they are.
        """
        account = self._accounts.get(pid)
        if account is None:
            return
        models = [part for part in parts if part != "worker"]
        if models:
            account.holder.merge(reservation.split(models, owner=self._owner))
        elif account.holder.reserved_bytes <= WORKER_BYTES and account.models:
            account.holder.merge(self._governor.budget.record({"models": _models_bytes(account)}, owner=self._owner))
        if "worker" in parts:
            reservation.shrink({"worker": WORKER_BYTES})

    def resident_bytes(self, task: str) -> int | None:
        """Return what the instances of a task's model take in all workers; None where none is loaded."""
        sizes = [
            model.resident_bytes
            for account in self._accounts.values()
            for model in account.models
            if model.task == task
        ]
        return sum(sizes) if sizes else None

    def redundant(self, pid: int) -> set[str]:
        """Return the tasks of a worker that another of its models answers with the same parameters."""
        account = self._accounts.get(pid)
        models = account.models if account is not None else ()
        kept = {(model.task, repr(model.params)) for model in models}
        return {model.task for model in models if (self._tasks[model.task].served_by, repr(model.params)) in kept}

    def held_bytes(self, task: type[VisionTask]) -> int:
        """Return what the smallest worker that has a model for `task` holds; 0 where none has."""
        held = [
            account.holder.reserved_bytes
            for account in self._accounts.values()
            if any(model.task in (task.name, task.served_by) for model in account.models)
        ]
        return min(held, default=0)

    def models_of(self, pid: int) -> dict[str, int]:
        """Return the bytes of a worker's models by task."""
        account = self._accounts.get(pid)
        sizes: Counter[str] = Counter()
        for model in account.models if account is not None else ():
            sizes[model.task] += model.resident_bytes
        return dict(sizes)

    def age_seconds(self, pid: int) -> float:
        """Return for how long a worker has had its entry in the ledger; 0 where it has none."""
        account = self._accounts.get(pid)
        return account.holder.age_seconds if account is not None else 0.0

    def adopt(self, pid: int, reservation: Reservation) -> None:
        """Let a worker that has an entry take over a whole reservation."""
        account = self._accounts[pid]
        account.changed_at = self._clock()
        account.holder.merge(reservation)

    def give_back(self, pid: int, parts: Iterable[str]) -> None:
        """Take parts out of a worker's entry: what they stand for is gone."""
        account = self._accounts.get(pid)
        if account is not None:
            account.changed_at = self._clock()
            present = account.holder.parts
            account.holder.shrink({part: present[part] for part in parts if part in present})

    def close(self) -> None:
        """Give back what was taken for a worker that never started."""
        if self._growth is not None:
            self._growth.release()
            self._growth = None

    @property
    def _owner(self) -> str:
        return f"worker:{self._role}"


def _models_bytes(account: _Account) -> int:
    return sum(model.resident_bytes for model in account.models)
