"""What an exit that nobody here caused says about the input."""

from __future__ import annotations

import signal

import pytest

from app.workers.ending import Ending, describe_exit, ending_by_itself


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_comes_from_outside_is_no_crash(number: signal.Signals) -> None:
    assert ending_by_itself(-number) is Ending.KILLED


@pytest.mark.parametrize(
    "exit_code",
    [0, 1, 3, -signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL, -signal.SIGSYS],
)
def test_a_fault_or_an_exit_of_its_own_is_a_crash(exit_code: int) -> None:
    assert ending_by_itself(exit_code) is Ending.CRASH


def test_an_exit_is_described_by_the_name_of_its_signal_or_its_code() -> None:
    assert (describe_exit(-11), describe_exit(3)) == ("SIGSEGV", "exit code 3")
