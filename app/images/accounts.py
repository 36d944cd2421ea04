"""The ledger entry of an imaging child."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from app.domain.units import MIB
from app.memory.governor import EnrolledProcess, Governor
from app.memory.reservation import Reservation
from app.workers.ending import Ending
from app.workers.process import WorkerProcess

ROLE = "imaging"

CHILD_BYTES = 16 * MIB
"""What a child takes beside its calls, forked from the zygote: plug-ins, codecs and the heap that they leave (measured:
6 to 12 MiB; a fresh interpreter has 22)."""

_SPARE_BYTES = 2 * MIB
_GROWTH_BYTES = 32 * MIB
"""How far a child may outgrow its account before it is replaced."""


class ImagingAccount:
    """Granted before the child is started (`workers.account.Account`), then what the kernel says."""

    def __init__(
        self, reservation: Reservation, governor: Governor, on_close: Callable[[ImagingAccount], None]
    ) -> None:
        """`on_close` is called once, when the bytes have been given back."""
        self._reservation = reservation
        self._governor = governor
        self._on_close = on_close

    @property
    def resident_bytes(self) -> int:
        """What the child holds by the last sample."""
        return self._reservation.resident_bytes

    def opened(self, worker: WorkerProcess) -> None:
        kill = partial(worker.kill, Ending.KILLED)
        self._governor.enroll(EnrolledProcess(worker.pid, ROLE, self._reservation, kill, lambda: worker.priority))

    def loaded(self, worker: WorkerProcess) -> None:
        """What it will keep of its first calls stays granted."""
        if resident_bytes := self._governor.resident_now(worker.pid):
            self._reservation.observe(resident_bytes)
        self._governor.remeasure()

    def is_outgrown(self) -> bool:
        """Whether it holds `_GROWTH_BYTES` more than a child should; asked after each call, so the entry follows it.

        A sample in the middle of a call shows what the call holds: what was granted for that is given back later.
        """
        wanted_bytes = max(CHILD_BYTES, self.resident_bytes + _SPARE_BYTES)
        missing_bytes = wanted_bytes - self._reservation.reserved_bytes
        if missing_bytes > 0:
            self._reservation.grow({ROLE: missing_bytes})
        elif missing_bytes < 0:
            self._reservation.shrink(-missing_bytes)
        return self.resident_bytes > CHILD_BYTES + _GROWTH_BYTES

    def ended(self, worker: WorkerProcess) -> None:
        self._governor.dismiss(worker.pid)
        if not self._reservation.is_released:
            self._reservation.observe(0)

    def close(self) -> None:
        if not self._reservation.is_released:
            self._governor.remeasure()  # before the bytes are free: they are granted by a sample that knows it
            self._reservation.release()
            self._on_close(self)
