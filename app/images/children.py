"""The imaging children: all alike, started when there is work, let go when idle or when others need their memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from app.domain.pressure import PressureLevel
from app.domain.priority import Priority
from app.images.accounts import CHILD_BYTES, ROLE, ImagingAccount
from app.memory.convoy import Convoy
from app.memory.customer import Customer
from app.memory.governor import Governor
from app.memory.reclaim import ReclaimPriority
from app.memory.reservation import Reservation
from app.workers.channel import Message
from app.workers.pool import WorkerPool
from app.workers.process import WorkerProcess
from app.workers.reply import Reply
from app.workers.spec import WorkerSpec
from app.workers.surroundings import Surroundings
from app.workers.zygote_account import ZygoteAccount

_RECLAIM_SECONDS = 0.05


class Waiter(Protocol):
    """What waits for a child: one picture (`media.pictures.Picture`)."""

    @property
    def customer(self) -> Customer: ...

    async def put_aside(self) -> None:
        """Give back what it holds."""
        ...


class ImagingChildren:
    """One pool. The first child is waited for with all others who want one; more come as bytes are free."""

    def __init__(self, spec: WorkerSpec, surroundings: Surroundings, zygote: ZygoteAccount, governor: Governor) -> None:
        self.pool = WorkerPool(spec, self, surroundings)
        self._surroundings = surroundings
        self._zygote = zygote
        self._governor = governor
        self._accounts: list[ImagingAccount] = []
        self._convoy: Convoy | None = None
        self._expected = 0
        self._undo: list[Callable[[], None]] = [
            governor.subscribe(self._follow),
            governor.reclaim.register(
                "idle imaging", ReclaimPriority.IDLE_MODELS, self._reclaim, min_interval_seconds=_RECLAIM_SECONDS
            ),
        ]

    @property
    def troubles(self) -> list[str]:
        """Why nothing can be rendered now."""
        trouble = self._surroundings.trouble(ROLE)
        return [trouble] if trouble is not None else []

    @property
    def held_bytes(self) -> int:
        """What stands in the ledger for one child, and what it is forked from."""
        return CHILD_BYTES + self._zygote.held_bytes

    @contextmanager
    def expected(self) -> Iterator[None]:
        """Keep one child for the block: a call is about to come, as soon as its bytes are there."""
        self._expected += 1
        try:
            yield
        finally:
            self._expected -= 1

    async def present(self, waiter: Waiter) -> None:
        """Return when there is a child, or one comes by itself; the waiter holds nothing while it waits.

        Raises:
            BallastError: see `Convoy.join` and `WorkerPool.start`.
        """
        while not self.pool.size:
            await waiter.put_aside()
            await self._zygote.ready(self._surroundings.launcher, waiter.customer)
            if self._convoy is None or self._convoy.is_over:
                self._convoy = self._governor.budget.convoy({ROLE: CHILD_BYTES}, owner=ROLE, load=self._load)
            await waiter.customer.join(self._convoy)

    async def call(
        self, message: Message, deadline_seconds: float, customer: Customer, *, repeatable: bool = True
    ) -> Reply:
        """Have a child answer; see `WorkerPool.call`."""
        return await self.pool.call(
            message,
            deadline_seconds=deadline_seconds,
            repeatable=repeatable,
            priority=customer.priority,
            client=customer.client,
        )

    def another(self) -> ImagingAccount | None:
        """Return an account for one more child, if the mode and memory that is free now allow it."""
        policy = self._governor.policy
        allowed = max(1, int(self.pool.spec.limits.workers * policy.worker_share))
        if self.pool.size >= allowed or not policy.serves_requests:
            return None
        reservation = self._governor.budget.try_reserve({ROLE: CHILD_BYTES}, owner=ROLE, priority=Priority.REQUEST)
        return None if reservation is None else self._account(reservation)

    async def aclose(self) -> None:
        """Let every child go."""
        for undo in self._undo:
            undo()
        if self._convoy is not None:
            await self._convoy.aclose()
        await self.pool.close()
        await self._zygote.aclose()

    async def _load(self, reservation: Reservation) -> None:
        if self.pool.size:
            reservation.release()
            return
        await self.pool.start(self._account(reservation))
        self._zygote.follow()

    def _account(self, reservation: Reservation) -> ImagingAccount:
        account = ImagingAccount(reservation, self._governor, self._accounts.remove)
        self._accounts.append(account)
        return account

    def _idle(self) -> list[WorkerProcess]:
        """Return the children that nobody needs: of one that is expected to work, another one may be busy."""
        idle = [one for one in self.pool.children if not one.calls_in_flight]
        busy = len(self.pool.children) - len(idle)
        return [] if self.pool.waiting else idle[max(0, min(self._expected, 1) - busy) :]

    def _reclaim(self, wanted_bytes: int | None) -> int:
        """Let idle children go until so many bytes are on their way back (None: all); return how many are."""
        freed_bytes = 0
        for child in self._idle():
            if wanted_bytes is not None and freed_bytes >= wanted_bytes:
                break
            freed_bytes += child.resident_bytes
            self.pool.dismiss(child)
        return freed_bytes

    def _follow(self, level: PressureLevel) -> None:
        """Above MODERATE no child is kept for work that may come."""
        if level >= PressureLevel.HIGH:
            self._reclaim(None)
