"""Listeners: how many there may be, and that each gives its place and its bytes back."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from app.errors import BallastError, Overloaded, TooManyRequests
from app.http.audience import LISTENER_BYTES, Audience
from app.memory.budget import MemoryBudget
from tests.leaks import Leaks


@pytest.fixture
def budget(leaks: Leaks) -> MemoryBudget:
    budget = MemoryBudget(10 * LISTENER_BYTES, working_set=lambda: 0)
    leaks.watch(budget)
    return budget


def refusal(audience: Audience, client: str) -> type[BallastError] | None:
    try:
        with audience.admit(client):
            return None
    except BallastError as error:
        return type(error)


def test_a_client_has_a_quarter_of_the_places_and_all_have_no_more_than_there_are(budget: MemoryBudget) -> None:
    audience = Audience(budget, 8)
    with ExitStack() as listeners:
        for client in "aabbccdd":
            listeners.enter_context(audience.admit(client))
            most = refusal(audience, "a")
        others = refusal(audience, "e")
        reserved_bytes = budget.reserved_bytes

    assert (most, others) == (TooManyRequests, Overloaded)
    assert reserved_bytes == 8 * LISTENER_BYTES
    assert (audience.size, budget.reserved_bytes) == (0, 0)
    assert refusal(audience, "a") is None


def test_one_place_is_one_place(budget: MemoryBudget) -> None:
    audience = Audience(budget, 1)
    with audience.admit("a"):
        assert refusal(audience, "b") is Overloaded

    assert refusal(audience, "b") is None


def test_a_listener_without_room_in_memory_comes_back_later(budget: MemoryBudget) -> None:
    audience = Audience(budget, 8)
    everything = budget.record({"all": budget.free_bytes}, owner="test")

    refused = refusal(audience, "a")
    everything.release()

    assert refused is Overloaded
    assert audience.size == 0


def test_what_goes_wrong_while_one_listens_frees_the_place(budget: MemoryBudget) -> None:
    audience = Audience(budget, 1)
    with pytest.raises(RuntimeError), audience.admit("a"):
        raise RuntimeError

    assert audience.size == 0
