"""What may be held for clients that have not sent all, or do not take it: a share, of which one has half."""

from __future__ import annotations

from app.memory.allowance import Allowance


def test_a_client_has_half_of_it_and_the_next_the_other() -> None:
    allowance = Allowance(lambda: 100)

    assert allowance.take("a", 50)
    assert not allowance.take("a", 1)
    assert allowance.take("b", 50)
    assert not allowance.take("c", 1)


def test_what_is_given_back_can_be_taken_again() -> None:
    allowance = Allowance(lambda: 100)
    allowance.take("a", 50)

    allowance.give("a", 20)

    assert allowance.take("a", 20)
    assert not allowance.take("a", 1)


def test_a_smaller_cap_holds_for_what_is_taken_from_now_on() -> None:
    cap_bytes = 100.0
    allowance = Allowance(lambda: cap_bytes)
    allowance.take("a", 50)

    cap_bytes = 60.0

    assert not allowance.take("a", 1)
    assert allowance.take("b", 10)
