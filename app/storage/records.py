"""The uploads that are known, and the memory that knowing them takes: in the ledger, as long as they are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.domain.units import KIB
from app.errors import NotFound, Overloaded
from app.memory.budget import MemoryBudget
from app.memory.reservation import Reservation
from app.storage.stage import Stage

OWNER = "resumable"

_STEP_BYTES = 64 * KIB
_RETRY_SECONDS = 10


class StageRecords:
    """All uploads by their ids. They are one holder of the ledger, which grows and shrinks in steps of 64 KiB."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._holder: Reservation | None = None
        self._stages: dict[str, Stage] = {}
        self._used_bytes = 0

    def open(self, stages: Iterable[Stage]) -> None:
        """Enter those of an earlier run; they are there already, so this is never refused."""
        for stage in stages:
            self._stages[stage.state.id] = stage
            self._used_bytes += stage.memory_bytes
        self._holder = self._budget.record({"records": _in_steps(self._used_bytes)}, owner=OWNER)

    def aclose(self) -> None:
        """Give the memory back."""
        if self._holder is not None:
            self._holder.release()

    def add(self, stage: Stage) -> None:
        """Know an upload from now on.

        Raises:
            Overloaded: memory has no room for what is to be known of it.
        """
        used_bytes = self._used_bytes + stage.memory_bytes
        assert self._holder is not None
        missing_bytes = _in_steps(used_bytes) - self._holder.reserved_bytes
        if missing_bytes > 0 and not self._holder.grow({"records": missing_bytes}):
            raise Overloaded(
                "There is no memory for another resumable upload now.",
                retry_after_seconds=_RETRY_SECONDS,
                neededBytes=missing_bytes,
                freeBytes=max(0, self._budget.free_bytes),
            )
        self._used_bytes = used_bytes
        self._stages[stage.state.id] = stage

    def discard(self, stage: Stage) -> bool:
        """Forget an upload; return whether it was known."""
        if self._stages.pop(stage.state.id, None) is None:
            return False
        self._used_bytes -= stage.memory_bytes
        assert self._holder is not None
        surplus_bytes = self._holder.reserved_bytes - _in_steps(self._used_bytes)
        if surplus_bytes > 0:
            self._holder.shrink({"records": surplus_bytes})
        return True

    def find(self, stage_id: str) -> Stage:
        """Return an upload.

        Raises:
            NotFound: there is none, or it has expired.
        """
        try:
            return self._stages[stage_id]
        except KeyError:
            raise NotFound("There is no upload with this id; it may have expired.") from None

    def __iter__(self) -> Iterator[Stage]:
        return iter(tuple(self._stages.values()))


def _in_steps(used_bytes: int) -> int:
    return -(-used_bytes // _STEP_BYTES) * _STEP_BYTES
