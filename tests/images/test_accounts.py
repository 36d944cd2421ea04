"""The ledger entry of an imaging child."""

from __future__ import annotations

from typing import Any

from app.domain.priority import Priority
from app.domain.units import MIB
from app.images.accounts import CHILD_BYTES, ROLE, ImagingAccount
from app.memory.budget import MemoryBudget


def test_what_a_sample_in_the_middle_of_a_call_has_shown_is_given_back() -> None:
    budget = MemoryBudget(300 * MIB, working_set=lambda: 0)
    reservation = budget.try_reserve({ROLE: CHILD_BYTES}, owner=ROLE, priority=Priority.REQUEST)
    assert reservation is not None
    nobody: Any = None
    account = ImagingAccount(reservation, nobody, nobody)

    reservation.observe(CHILD_BYTES + 20 * MIB)
    assert not account.is_outgrown()
    grown = reservation.reserved_bytes
    reservation.observe(CHILD_BYTES - 4 * MIB)
    assert not account.is_outgrown()

    assert grown == CHILD_BYTES + 22 * MIB
    assert reservation.reserved_bytes == CHILD_BYTES
