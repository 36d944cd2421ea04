"""Work that waits for a child and holds nothing meanwhile: what it works on is on the disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.memory.budget import MemoryBudget
from app.memory.customer import Customer
from app.memory.reservation import Reservation


@dataclass(frozen=True, slots=True)
class EmptyHanded:
    """Waits for models and children as a picture does (`vision.lease.Waiter`, `images.children.Waiter`)."""

    customer: Customer

    async def put_aside(self) -> None:
        """It has nothing."""

    @asynccontextmanager
    async def granted(self, budget: MemoryBudget, parts: Mapping[str, int], owner: str) -> AsyncIterator[Reservation]:
        """Reserve `parts` for the block; see `MemoryBudget.reserve`."""
        async with self.customer.reserve(budget, parts, owner) as reservation:
            yield reservation
