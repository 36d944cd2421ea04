"""The processes of ours: what each is for, whose account it is, and how it can be ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from app.domain.priority import Priority
from app.memory.gauge import MemorySample
from app.memory.reservation import Reservation


@dataclass(frozen=True, slots=True)
class EnrolledProcess:
    """A process of ours: its role, and the ledger entry that it is observed in.

    `kill` ends it (None: it never is killed). `priority` returns the class of the work that it does now, None while
    it does none; without it, nobody is known to wait for the process.
    """

    pid: int
    role: str
    holder: Reservation | None = None
    kill: Callable[[], None] | None = None
    priority: Callable[[], Priority | None] | None = None

    @property
    def present_priority(self) -> Priority | None:
        return None if self.priority is None else self.priority()


class EnrolledProcesses:
    """The processes that were enrolled and not dismissed yet, by process id."""

    def __init__(self) -> None:
        self._by_pid: dict[int, EnrolledProcess] = {}
        self.started: Counter[str] = Counter()
        """How many there were of each role."""

    def add(self, process: EnrolledProcess) -> None:
        self._by_pid[process.pid] = process
        self.started[process.role] += 1

    def remove(self, pid: int) -> None:
        self._by_pid.pop(pid, None)

    def get(self, pid: int) -> EnrolledProcess | None:
        return self._by_pid.get(pid)

    def role(self, pid: int) -> str:
        process = self._by_pid.get(pid)
        return process.role if process is not None else "other"

    def owner(self, pid: int) -> str | None:
        """Return whose account a process is observed in, such as `model:hands`."""
        process = self._by_pid.get(pid)
        return process.holder.owner if process is not None and process.holder is not None else None

    def resident_bytes(self, sample: MemorySample) -> dict[EnrolledProcess, int]:
        """Return what each process of the sample holds, with what it started.

        A process that is not enrolled, such as what FFmpeg starts, counts in the nearest of its ancestors that is;
        each counts once. One whose ancestors have ended counts nowhere.
        """
        parents = {process.pid: process.parent_pid for process in sample.processes}
        totals: Counter[int] = Counter()
        for pid, nbytes in sample.resident_bytes().items():
            totals[self._account_of(pid, parents)] += nbytes
        return {self._by_pid[pid]: nbytes for pid, nbytes in totals.items() if pid in self._by_pid}

    def observe(self, sample: MemorySample) -> None:
        """Record in each ledger entry what its processes hold."""
        totals: Counter[Reservation] = Counter()
        for process, nbytes in self.resident_bytes(sample).items():
            if process.holder is not None:
                totals[process.holder] += nbytes
        for holder, nbytes in totals.items():
            holder.observe(nbytes)

    def _account_of(self, pid: int, parents: dict[int, int]) -> int:
        """Return the nearest enrolled process from `pid` upwards; one that is unknown where there is none."""
        for _ in parents:  # no further than that: ids are read one by one, and one may have been used again
            if pid in self._by_pid or pid not in parents:
                break
            pid = parents[pid]
        return pid
