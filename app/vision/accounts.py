"""The ledger entries of vision's processes: one for each child, one for the zygote."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from app.domain.priority import Priority
from app.domain.units import MIB
from app.memory.governor import EnrolledProcess, Governor
from app.memory.reservation import Reservation
from app.vision.model_key import ModelKey
from app.vision.sizes import LearnedSizes
from app.workers.ending import Ending
from app.workers.launcher import StartMethod
from app.workers.process import WorkerProcess

ROLE = "vision"

ZYGOTE_ROLE = "zygote"

ZYGOTE_BYTES = 40 * MIB
"""What the zygote takes while it is alone: interpreter, numpy, Pillow, MediaPipe's library and its modules
(`python -m benchmarks.children`); with children most of it is shared with them."""

_SPARE_BYTES = 2 * MIB
"""What an entry has beyond what was seen: a sample is up to a second old."""

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
        self._largest_bytes = 0

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
        self._governor.remeasure()

    def is_outgrown(self) -> bool:
        """Whether it holds `_GROWTH_BYTES` more than it was granted; asked after each call, so the entry follows it."""
        is_outgrown = self.resident_bytes > self._granted_bytes + _GROWTH_BYTES
        self._follow()
        return is_outgrown

    def _follow(self) -> None:
        """Have the entry be what the child holds: more if it is free (else the working set has it), less at once."""
        self._largest_bytes = max(self._largest_bytes, self.resident_bytes)
        if self.resident_bytes == 0:  # not seen by any sample yet
            return
        surplus_bytes = self.reserved_bytes - self.resident_bytes - _SPARE_BYTES
        if surplus_bytes > 0:
            self._reservation.shrink(surplus_bytes)
        elif surplus_bytes < -_SPARE_BYTES:
            self._reservation.grow({self.key.owner: -surplus_bytes})

    def ended(self, worker: WorkerProcess) -> None:
        self._governor.dismiss(worker.pid)
        if self._largest_bytes and not self._reservation.is_released:
            self._sizes.learn(self.key.size_name, self._largest_bytes + _SPARE_BYTES)
            self._largest_bytes = 0
            self._reservation.observe(0)

    def close(self) -> None:
        if not self.closed.is_set():
            self._governor.remeasure()  # before the bytes are free: they are granted by a sample that knows it
            self._reservation.release()
            self.closed.set()
            self._on_close(self)


class ZygoteAccount:
    """The entry of the zygote (`workers.zygote.ZygoteWatch`): granted with the first model that is forked from it."""

    def __init__(self, governor: Governor) -> None:
        self._governor = governor
        self._holder: Reservation | None = None
        self._pid: int | None = None

    def parts(self, method: StartMethod) -> dict[str, int]:
        """Return what has to be granted besides a model: nothing where the zygote has its entry, or none will be."""
        return {} if self._holder is not None or method == "exec" else {ZYGOTE_ROLE: ZYGOTE_BYTES}

    def take_over(self, reservation: Reservation) -> None:
        """Take the zygote's part out of what was granted for a model."""
        if ZYGOTE_ROLE not in reservation.parts:
            return
        part = reservation.split([ZYGOTE_ROLE], owner=ZYGOTE_ROLE)
        if self._holder is None:
            self._holder = part
        else:
            part.release()

    def started(self, pid: int, kill: Callable[[], None]) -> None:
        self._pid = pid
        if self._holder is None:  # one that died is replaced: its successor is there already
            self._holder = self._governor.budget.record({ZYGOTE_ROLE: ZYGOTE_BYTES}, owner=ZYGOTE_ROLE)
        # Of all children it goes last: all others would go with it.
        self._governor.enroll(EnrolledProcess(pid, ZYGOTE_ROLE, self._holder, kill, lambda: Priority.LIVE))

    def settle(self) -> None:
        """A child is there: make the entry what the zygote holds now; without a zygote there is none."""
        if self._holder is None:
            return
        if self._pid is None:
            self._release()
            return
        resident_bytes = self._governor.resident_now(self._pid)
        surplus_bytes = self._holder.reserved_bytes - resident_bytes - _SPARE_BYTES
        if resident_bytes and surplus_bytes > 0:
            self._holder.observe(resident_bytes)
            self._holder.shrink(surplus_bytes)

    def ended(self, pid: int) -> None:
        self._governor.dismiss(pid)
        if pid == self._pid:
            self._pid = None
            self._release()

    def close(self) -> None:
        """Give back what was taken for a zygote that never started."""
        self._release()

    def _release(self) -> None:
        if self._holder is not None:
            self._holder.release()
            self._holder = None
