"""Which account the memory of a process counts in."""

from __future__ import annotations

import os

import pytest

from app.domain.priority import Priority
from app.domain.units import MIB
from app.memory.budget import MemoryBudget
from app.memory.enrolled import EnrolledProcess, EnrolledProcesses
from app.memory.reservation import Reservation
from tests.memory.gauges import FakeGauge

API = os.getpid()


@pytest.fixture
def gauge() -> FakeGauge:
    return FakeGauge()


@pytest.fixture
def processes() -> EnrolledProcesses:
    return EnrolledProcesses()


def account(budget: MemoryBudget, owner: str) -> Reservation:
    return budget.record({"x": 100 * MIB}, owner=owner)


def test_a_role_is_known_until_the_process_is_dismissed(processes: EnrolledProcesses) -> None:
    processes.add(EnrolledProcess(1001, "vision"))

    seen = [processes.role(1001), processes.role(1002)]
    processes.remove(1001)
    processes.remove(1001)

    assert [*seen, processes.role(1001)] == ["vision", "other", "other"]


def test_what_a_process_starts_counts_in_its_account_once(processes: EnrolledProcesses, gauge: FakeGauge) -> None:
    ours = [EnrolledProcess(API, "api"), EnrolledProcess(1001, "ffmpeg"), EnrolledProcess(1100, "vision")]
    for process in ours:
        processes.add(process)
    gauge.resident_bytes |= {1001: MIB, 1002: 2 * MIB, 1003: 4 * MIB, 1100: 8 * MIB, 1200: 16 * MIB}
    gauge.parents = {1002: 1001, 1003: 1002, 1100: 1003}  # 1200 is a child of the API that nobody has enrolled

    resident = processes.resident_bytes(gauge.sample())

    assert resident == {ours[0]: (60 + 16) * MIB, ours[1]: 7 * MIB, ours[2]: 8 * MIB}


@pytest.mark.parametrize("parents", [{1002: 1}, {1002: 1002}, {1002: 1003, 1003: 1002}])
def test_one_without_an_ancestor_of_ours_counts_nowhere(
    parents: dict[int, int], processes: EnrolledProcesses, gauge: FakeGauge
) -> None:
    api = EnrolledProcess(API, "api")
    processes.add(api)
    gauge.resident_bytes |= {1002: MIB, 1003: MIB}
    gauge.parents = {1003: 1002, **parents}

    assert processes.resident_bytes(gauge.sample()) == {api: 60 * MIB}


def test_processes_of_one_account_count_together(processes: EnrolledProcesses, gauge: FakeGauge) -> None:
    budget = MemoryBudget(1000 * MIB, working_set=lambda: 0)
    holder = account(budget, "ffmpeg")
    for pid in (1001, 1002):
        processes.add(EnrolledProcess(pid, "ffmpeg", holder))
    processes.add(EnrolledProcess(1003, "probe"))
    gauge.resident_bytes |= {1001: MIB, 1002: 2 * MIB, 1003: 4 * MIB}

    processes.observe(gauge.sample())

    assert holder.resident_bytes == 3 * MIB
    holder.release()


def test_an_account_that_was_closed_is_passed_over(processes: EnrolledProcesses, gauge: FakeGauge) -> None:
    budget = MemoryBudget(1000 * MIB, working_set=lambda: 0)
    holder = account(budget, "vision")
    processes.add(EnrolledProcess(1001, "vision", holder))
    gauge.resident_bytes[1001] = MIB
    holder.release()

    processes.observe(gauge.sample())  # a sample may come between the release and the dismissal

    assert budget.reserved_bytes == 0


def test_a_process_without_work_of_a_class_has_no_priority() -> None:
    assert EnrolledProcess(1, "vision").present_priority is None
    assert EnrolledProcess(1, "vision", priority=lambda: None).present_priority is None
    assert EnrolledProcess(1, "vision", priority=lambda: Priority.LIVE).present_priority is Priority.LIVE
