"""The ledger entry of the zygote, and those who wait until it is there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from app.domain.priority import Priority
from app.domain.units import MIB
from app.memory.convoy import Convoy
from app.memory.customer import Customer
from app.memory.governor import EnrolledProcess, Governor
from app.memory.reservation import Reservation
from app.workers.launcher import Launcher

ROLE = "zygote"

_SPARE_BYTES = 2 * MIB


class ZygoteAccount:
    """Granted before the zygote is started (`ready`), then what the kernel says (`workers.zygote.ZygoteWatch`)."""

    def __init__(self, governor: Governor, nbytes: int) -> None:
        """`nbytes` is what the zygote takes while it is alone; with children most of it is shared with them."""
        self._governor = governor
        self._nbytes = nbytes
        self._holder: Reservation | None = None
        self._pid: int | None = None
        self._convoy: Convoy | None = None

    @property
    def held_bytes(self) -> int:
        """What stands in the ledger for the zygote, or will."""
        return self._nbytes if self._holder is None else self._holder.reserved_bytes

    def is_wanted(self, launcher: Launcher) -> bool:
        """Whether a zygote has to be started before the next child."""
        return self._pid is None and launcher.start_method == "fork"

    async def ready(self, launcher: Launcher, customer: Customer) -> None:
        """Wait until there is a zygote, with all others who need it; at once where there is one, or will be none.

        Raises:
            BallastError: see `Convoy.join`.
        """
        if not self.is_wanted(launcher):
            return
        if self._convoy is None or self._convoy.is_over:
            load = partial(self._start, launcher)
            self._convoy = self._governor.budget.convoy({ROLE: self._nbytes}, owner=ROLE, load=load)
        await customer.join(self._convoy)

    def started(self, pid: int, kill: Callable[[], None]) -> None:
        self._pid = pid
        if self._holder is None:  # one that died is replaced: its successor is there already
            self._holder = self._governor.budget.record({ROLE: self._nbytes}, owner=ROLE)
        # Of all children it goes last: all others would go with it.
        self._governor.enroll(EnrolledProcess(pid, ROLE, self._holder, kill, lambda: Priority.LIVE))

    def follow(self) -> None:
        """Make the entry what the zygote holds now: the more children share it, the less."""
        if self._holder is None or self._pid is None:
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

    async def aclose(self) -> None:
        """Send away who waits."""
        if self._convoy is not None:
            await self._convoy.aclose()

    async def _start(self, launcher: Launcher, reservation: Reservation) -> None:
        self._release()
        self._holder = reservation
        try:
            await launcher.prepare()
        finally:
            if self._pid is None:
                self._release()
            self.follow()

    def _release(self) -> None:
        if self._holder is not None:
            self._holder.release()
            self._holder = None
