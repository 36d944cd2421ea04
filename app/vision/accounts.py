"""The ledger entry of a child."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from app.domain.units import MIB
from app.memory.governor import EnrolledProcess, Governor
from app.memory.reservation import Reservation
from app.vision.model_key import ModelKey
from app.vision.sizes import LearnedSizes
from app.workers.ending import Ending
from app.workers.process import WorkerProcess

ROLE = "vision"

_SPARE_BYTES = 2 * MIB
"""What an entry has beyond what was seen: a sample is up to a second old."""

_CALL_BYTES = 4 * MIB
"""What a child keeps of its first calls beyond what the calls themselves reserve."""

_GROWTH_BYTES = 64 * MIB
"""How far a child may outgrow its account before it is replaced."""


class ChildAccount:
    """The entry of one child (`workers.account.Account`): granted before it is started, then what the kernel says.

    `is_leaving`: its child was told to go, so its bytes are on their way back.
    """

    def __init__(
        self,
        key: ModelKey,
        reservation: Reservation,
        governor: Governor,
        sizes: LearnedSizes,
        on_close: Callable[[ChildAccount], None],
    ) -> None:
        """`on_close` is called once, when the bytes have been given back."""
        self.key = key
        self.pid: int | None = None
        self.is_leaving = False
        self.closed = asyncio.Event()
        self._reservation = reservation
        self._governor = governor
        self._sizes = sizes
        self._on_close = on_close
        self._granted_bytes = reservation.reserved_bytes

    @property
    def reserved_bytes(self) -> int:
        return self._reservation.reserved_bytes

    @property
    def resident_bytes(self) -> int:
        """What the child holds by the last sample."""
        return self._reservation.resident_bytes

    def opened(self, worker: WorkerProcess) -> None:
        self.pid = worker.pid
        kill = partial(worker.kill, Ending.KILLED)
        self._governor.enroll(EnrolledProcess(worker.pid, ROLE, self._reservation, kill, lambda: worker.priority))

    def loaded(self, worker: WorkerProcess) -> None:
        """Make the entry what the child holds; what was granted and not taken is free at once."""
        resident_bytes = self._governor.resident_now(worker.pid)
        if resident_bytes:  # else there is no `/proc`, or the child is gone already: what was granted stays
            self._reservation.observe(resident_bytes)
            self._follow()
            # Of files it brings its bundle; its part of the libraries was there before, as that of others.
            loaded_bytes = self._governor.private_bytes(worker.pid) + self.key.asset_bytes
            self._sizes.learn(self.key.size_name, loaded_bytes + _CALL_BYTES)
        self._governor.remeasure()

    def is_outgrown(self) -> bool:
        """Whether it holds `_GROWTH_BYTES` more than it was granted; asked after each call, so the entry follows it."""
        is_outgrown = self.resident_bytes > self._granted_bytes + _GROWTH_BYTES
        self._follow()
        return is_outgrown

    def _follow(self) -> None:
        """Have the entry be what the child holds: more if it is free (else the working set has it), less at once."""
        if self.resident_bytes == 0:  # not seen by any sample yet
            return
        surplus_bytes = self.reserved_bytes - self.resident_bytes - _SPARE_BYTES
        if surplus_bytes > 0:
            self._reservation.shrink(surplus_bytes)
        elif surplus_bytes < -_SPARE_BYTES:
            self._reservation.grow({self.key.owner: -surplus_bytes})

    def ended(self, worker: WorkerProcess) -> None:
        self._governor.dismiss(worker.pid)
        if not self._reservation.is_released:
            self._reservation.observe(0)

    def close(self) -> None:
        if not self.closed.is_set():
            self._governor.remeasure()  # before the bytes are free: they are granted by a sample that knows it
            self._reservation.release()
            self.closed.set()
            self._on_close(self)
