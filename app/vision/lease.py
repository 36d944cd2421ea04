"""Leases: a model that is in use, and the bytes of the call that uses it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from app.domain.priority import Priority
from app.errors import Overloaded
from app.memory.customer import Customer
from app.memory.governor import Governor
from app.memory.reservation import Reservation
from app.vision.model import ServedModel
from app.vision.model_key import ModelKey
from app.vision.models import Models


class Waiter(Protocol):
    """What waits for a model: one picture (`media.pictures.Picture`)."""

    @property
    def customer(self) -> Customer: ...

    async def put_aside(self) -> None:
        """Give back what it holds."""
        ...


Grant = Callable[[], AbstractAsyncContextManager[Reservation]]
"""Reserves what one call takes, for a block."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A model that is in use, and the bytes of the call that uses it."""

    model: ServedModel
    reservation: Reservation


class Leases:
    """Lends models to calls."""

    def __init__(self, models: Models, governor: Governor) -> None:
        self._models = models
        self._governor = governor

    @asynccontextmanager
    async def lease(
        self, key: ModelKey, waiter: Waiter, grant: Grant, own: ServedModel | None = None
    ) -> AsyncIterator[Lease]:
        """Lend a model that serves `key`, and what `grant` reserves for work with it, for the block.

        Where no such model is there, it is waited for with all others who want it. Nothing is held while waiting: not
        the model while the bytes are waited for, nor the other way round.

        Raises:
            Overloaded: nothing is loaded at this pressure.
            BallastError: see `Convoy.join`, `WorkerPool.start` and `MemoryBudget.reserve`.
        """
        while True:
            while (model := self._models.serving(key, own)) is None:
                await waiter.put_aside()
                await self._wait_for(self._models.find(key), waiter.customer)
            with self._awaited(model):
                async with grant() as reservation:
                    present = self._models.serving(key, own)
                    if present is None:  # its turn was over meanwhile
                        continue
                    try:
                        with present.used(waiter.customer.priority):
                            yield Lease(present, reservation)
                        return
                    finally:
                        self._models.release(present)

    async def _wait_for(self, model: ServedModel, customer: Customer) -> None:
        if self._governor.policy.worker_share == 0 and customer.priority is not Priority.BATCH:
            raise Overloaded("Memory is critical: no model is loaded now.", retry_after_seconds=5)
        with self._awaited(model):
            await self._models.nursery.zygote.ready(self._models.nursery.surroundings.launcher, customer)
            await customer.join(self._models.convoy(model))

    @contextmanager
    def _awaited(self, model: ServedModel) -> Iterator[None]:
        try:
            with model.awaited():
                yield
        finally:
            self._models.forget_unused(model)
