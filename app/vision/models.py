"""Every model that is loaded, or waited for: found, loaded once for all who wait, and let go."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from app.domain.histogram import Histogram
from app.domain.priority import Priority
from app.memory.convoy import Convoy
from app.memory.governor import Governor
from app.memory.reservation import Reservation
from app.vision.accounts import ChildAccount
from app.vision.counters import ChildCounters
from app.vision.model import ServedModel
from app.vision.model_key import ModelKey
from app.vision.sizes import LearnedSizes
from app.vision.task import VisionTask
from app.workers.pool import WorkerPool
from app.workers.process import WorkerProcess
from app.workers.sandbox import outlook
from app.workers.spec import WorkerSpec
from app.workers.surroundings import Surroundings
from app.workers.zygote_account import ZygoteAccount

logger = logging.getLogger("ballast.vision")

_LEAST_LOAD_SECONDS = 0.01
"""What no load takes less than: it is divided by."""


@dataclass(frozen=True, slots=True)
class Nursery:
    """What children are started with: their spec (but for the model), and who accounts for them."""

    spec: WorkerSpec
    surroundings: Surroundings
    sizes: LearnedSizes
    zygote: ZygoteAccount


class Models:
    """One pool of children for each model.

    A task has so many instances at most as the spec allows workers, whatever their parameters; trackers come on top.
    """

    def __init__(self, nursery: Nursery, governor: Governor, clock: Callable[[], float] = time.monotonic) -> None:
        self.nursery = nursery
        self._governor = governor
        self._clock = clock
        self._models: dict[ModelKey, ServedModel] = {}
        self._gone = ChildCounters()
        self.load_seconds: defaultdict[str, Histogram] = defaultdict(Histogram)
        """How long loads took, by task."""
        self._sandbox = outlook(nursery.spec.sandbox)

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(tuple(self._models.values()))

    @property
    def counters(self) -> ChildCounters:
        """What was counted over all children, those of models that are gone included."""
        return self._gone.plus(model.pool for model in self)

    @property
    def sandbox(self) -> dict[str, Any]:
        """What holds of the children's cage, as the last one reported it, and why they are not forked, if so."""
        return {**self._sandbox, "obstacle": self.nursery.surroundings.launcher.obstacle}

    @property
    def lacks_zygote(self) -> bool:
        """Whether the next child would need a zygote that nobody has been granted yet."""
        return self.nursery.zygote.is_wanted(self.nursery.surroundings.launcher)

    @property
    def instances_max(self) -> int:
        """How many instances of a task's models there may be."""
        return self.nursery.spec.limits.workers

    def of(self, task: type[VisionTask]) -> list[ServedModel]:
        """Return the models of one task, without trackers."""
        return [model for model in self if model.key.task is task and not model.key.is_tracker]

    def serving(self, key: ModelKey, own: ServedModel | None = None) -> ServedModel | None:
        """Return a model that can answer for `key` now: the caller's `own`, that of the key, or another task's."""
        if own is not None and own.is_ready:
            return own
        if key in self._models and self._models[key].is_ready:
            return self._models[key]
        return next((model for model in self if model.is_ready and model.key.serves(key)), None)

    def held_bytes(self, key: ModelKey) -> int:
        """Return what stands in the ledger for the child that answers for `key` now, or would answer."""
        model = self.serving(key)
        return model.smallest_bytes if model is not None else self.expected_bytes(key)

    def expected_bytes(self, key: ModelKey) -> int:
        """Return what a fresh child for `key` is granted. Learning alone does not ask for more than there can be."""
        learned_bytes = self.nursery.sizes.expect(key.size_name, key.declared_bytes)
        return min(learned_bytes, max(key.declared_bytes, self._governor.budget.limit_bytes))

    def replace_large(self, key: ModelKey, beside_bytes: int) -> None:
        """Have a model leave that has grown so large that a call of `beside_bytes` never fits beside it: a new one may.

        It may also be that of another task, which answers for this one as long as it is there.
        """
        model, limit_bytes = self.serving(key), self._governor.budget.limit_bytes
        if model is not None and model.smallest_bytes + beside_bytes > limit_bytes >= beside_bytes:
            model.is_leaving = True
            self.release(model)

    def find(self, key: ModelKey) -> ServedModel:
        """Return the model of this key, which may be not loaded yet."""
        model = self._models.get(key)
        if model is None:
            model = self._models[key] = ServedModel(key, self._clock)
            nursery = self.nursery
            spec = replace(nursery.spec, options=key.as_options(), reads=(*nursery.spec.reads, key.asset))
            model.pool = WorkerPool(spec, _Instances(self, model), nursery.surroundings)
        return model

    def another(self, model: ServedModel) -> ChildAccount | None:
        """Return an account for one more instance, if the mode, the limit and memory that nobody waits for allow it."""
        policy, budget = self._governor.policy, self._governor.budget
        allowed = max(1, int(self.instances_max * policy.worker_share))
        present = sum(other.pool.size for other in self.of(model.key.task))
        is_allowed = policy.keeps_idle_models and present < allowed and budget.missing_bytes is None
        if model.key.is_tracker or model.is_leaving or not is_allowed:
            return None
        return self.try_account(model)

    def try_account(self, model: ServedModel) -> ChildAccount | None:
        """Return an account for a child of this model if its bytes are free now."""
        budget, parts = self._governor.budget, self._parts(model.key)
        reservation = budget.try_reserve(parts, owner=model.key.owner, priority=Priority.LIVE)
        return None if reservation is None else self._open_account(model, reservation)

    async def load(self, model: ServedModel, account: ChildAccount) -> None:
        """Start a child under an account.

        Raises:
            BallastError: see `WorkerPool.start`; the account is closed then.
        """
        began = self._clock()
        model.is_loading = True
        try:
            worker = await model.pool.start(account)
        finally:
            model.is_loading = False
            self.forget_unused(model)
        self.nursery.zygote.follow()
        self._note_sandbox(worker.sandbox)
        model.loaded_at = self._clock()
        model.load_seconds = max(model.loaded_at - began, _LEAST_LOAD_SECONDS)
        self.load_seconds[model.key.task.name].observe(model.load_seconds)

    def dismiss(self, model: ServedModel, worker: WorkerProcess) -> ChildAccount | None:
        """Let a child go when it has answered; return its account, which is closed when its bytes are back."""
        account = next((account for account in model.accounts if account.pid == worker.pid), None)
        if account is not None:
            account.is_leaving = True
        model.pool.dismiss(worker)
        return account

    def release(self, model: ServedModel) -> None:
        """Let the children of a model go that is leaving, if nobody uses it any more."""
        if model.is_leaving and not model.is_used:
            for worker in tuple(model.pool.children):
                self.dismiss(model, worker)

    async def drop(self, model: ServedModel) -> None:
        """Let a model's children go at once, whatever they work on."""
        await model.pool.close()
        self.forget_unused(model)

    async def aclose(self) -> None:
        """Let every child go."""
        for model in self:
            if model.convoy is not None:
                await model.convoy.aclose()
            await model.pool.close()
        self._models.clear()

    def convoy(self, model: ServedModel) -> Convoy:
        """Return those who wait for this model; with the first of them its load begins to wait."""
        if model.convoy is None or model.convoy.is_over:
            parts = self._parts(model.key)
            load = partial(self._granted, model)
            model.convoy = self._governor.budget.convoy(parts, owner=model.key.owner, load=load)
            self._keep_within_limit(model)
        return model.convoy

    async def _granted(self, model: ServedModel, reservation: Reservation) -> None:
        model.is_leaving = False
        if model.pool.size:  # bytes came from elsewhere before it had left: it stays
            reservation.release()
        else:
            await self.load(model, self._open_account(model, reservation))

    def _keep_within_limit(self, model: ServedModel) -> None:
        """Have the least recently used other model of the task leave where one more would be too many of them."""
        others = [other for other in self.of(model.key.task) if other is not model and other.is_ready]
        if not model.key.is_tracker and sum(other.pool.size for other in others) >= self.instances_max:
            oldest = max(others, key=lambda other: other.idle_seconds)
            oldest.is_leaving = True
            self.release(oldest)

    def _parts(self, key: ModelKey) -> dict[str, int]:
        return {key.owner: self.expected_bytes(key)}

    def _open_account(self, model: ServedModel, reservation: Reservation) -> ChildAccount:
        on_close = partial(self._account_closed, model)
        account = ChildAccount(model.key, reservation, self._governor, self.nursery.sizes, on_close)
        model.accounts.append(account)
        return account

    def _account_closed(self, model: ServedModel, account: ChildAccount) -> None:
        model.accounts.remove(account)
        self.forget_unused(model)

    def forget_unused(self, model: ServedModel) -> None:
        """Clients choose parameters, so a model that is gone leaves nothing here."""
        if not model.accounts:
            model.is_leaving = False
        if model.is_unknown and self._models.get(model.key) is model:
            del self._models[model.key]
            self._gone = self._gone.plus([model.pool])

    def _note_sandbox(self, sandbox: dict[str, Any]) -> None:
        known = self._sandbox["missing"] if self._sandbox["observed"] else []
        if sandbox["missing"] and sandbox["missing"] != known:
            logger.warning("the sandbox of children has holes", extra={"missing": sandbox["missing"]})
        self._sandbox = sandbox


@dataclass(frozen=True, slots=True)
class _Instances:
    """Who gives one model's pool accounts for further children (`workers.account.Accounts`)."""

    models: Models
    model: ServedModel

    def another(self) -> ChildAccount | None:
        return self.models.another(self.model)
