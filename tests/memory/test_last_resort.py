"""Who is killed before the kernel kills, and when the next one is."""

from __future__ import annotations

import pytest

from app.domain.priority import Priority
from app.domain.units import MIB
from app.memory.enrolled import EnrolledProcess, EnrolledProcesses
from app.memory.last_resort import LastResort
from tests.memory.gauges import FakeGauge

LIVE, REQUEST, BATCH = Priority
IDLE = None


class Children:
    """Processes on a gauge, and who of them was killed."""

    def __init__(self) -> None:
        self.gauge = FakeGauge(0.96)
        self.gauge.now = 100.0
        self.killed: list[int] = []
        self.processes = EnrolledProcesses()
        self.last_resort = LastResort(self.processes, share=0.95)

    def add(self, pid: int, mib: int, work: Priority | None = IDLE, *, killable: bool = True) -> None:
        self.gauge.resident_bytes[pid] = mib * MIB
        kill = (lambda: self.killed.append(pid)) if killable else None
        self.processes.add(EnrolledProcess(pid, "vision", None, kill, lambda: work))

    def lose_memory(self, pid: int) -> None:
        del self.gauge.resident_bytes[pid]

    def look(self, share: float = 0.96, after_seconds: float = 0.25) -> list[int]:
        """Take a sample and return who was killed so far."""
        assert self.gauge.now is not None
        self.gauge.now += after_seconds
        self.gauge.share = share
        self.last_resort.act(self.gauge.sample())
        return self.killed


@pytest.fixture
def children() -> Children:
    return Children()


def test_nobody_is_killed_below_the_share(children: Children) -> None:
    children.add(1001, 300)

    assert children.look(0.9499) == []
    assert children.look(0.95) == [1001]


def test_the_largest_of_those_who_can_be_killed_goes(children: Children, caplog: pytest.LogCaptureFixture) -> None:
    children.add(1001, 100)
    children.add(1002, 300)
    children.add(1003, 900, killable=False)
    children.gauge.resident_bytes[1004] = 999 * MIB  # a stranger below us

    assert children.look() == [1002]
    assert children.last_resort.kills == 1
    (record,) = [record for record in caplog.records if "killing a child" in record.message]
    assert (vars(record)["residentBytes"], vars(record)["role"]) == (300 * MIB, "vision")


def test_the_class_of_its_work_goes_before_its_size(children: Children) -> None:
    for pid, mib, work in ((1001, 900, LIVE), (1002, 400, REQUEST), (1003, 200, BATCH), (1004, 100, IDLE)):
        children.add(pid, mib, work)

    for pid in (1004, 1003, 1002, 1001):
        children.look()
        children.lose_memory(pid)
        children.processes.remove(pid)

    assert children.killed == [1004, 1003, 1002, 1001]


def test_what_a_child_has_started_counts_with_it(children: Children) -> None:
    children.add(1001, 100)
    children.add(1002, 50)
    children.gauge.resident_bytes[2002] = 200 * MIB
    children.gauge.parents[2002] = 1002

    assert children.look() == [1002]


def test_one_who_is_dying_is_waited_for(children: Children) -> None:
    children.add(1001, 100)
    children.add(1002, 300)

    assert children.look() == [1002]
    assert children.look() == [1002]
    children.lose_memory(1002)
    assert children.look() == [1002]  # seen in the middle of giving it back
    assert children.look() == [1002, 1001]


def test_one_who_was_reaped_is_not_waited_for(children: Children) -> None:
    children.add(1001, 100)
    children.add(1002, 300)

    children.look()
    children.lose_memory(1002)
    children.processes.remove(1002)

    assert children.look() == [1002, 1001]


def test_one_who_does_not_die_within_a_second_is_not_waited_for_nor_killed_again(children: Children) -> None:
    children.add(1001, 100)
    children.add(1002, 300)

    for _ in range(4):
        children.look()
    early = list(children.killed)
    for _ in range(8):
        children.look()

    assert (early, children.killed) == ([1002], [1002, 1001])


def test_nobody_else_goes_where_the_first_was_enough(children: Children) -> None:
    children.add(1001, 100)
    children.add(1002, 300)

    children.look()
    children.lose_memory(1002)
    children.look()

    assert children.look(0.7) == [1002]


def test_the_next_shortage_has_a_victim_of_its_own(children: Children) -> None:
    children.add(1001, 100)
    children.look()
    children.lose_memory(1001)
    children.processes.remove(1001)
    children.look(0.5)

    children.add(1001, 100)  # the process id was used again

    assert children.look() == [1001, 1001]
