"""Inputs that children crashed on are refused after the second time, for a while."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.workers.suspects import Suspects


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("crashes", "is_refused"), [(0, False), (1, False), (2, True), (3, True)])
def test_an_input_is_refused_from_its_second_crash_on(crashes: int, is_refused: bool) -> None:
    suspects = Suspects(Clock())

    for _ in range(crashes):
        suspects.accuse(b"picture")

    assert suspects.is_refused(b"picture") is is_refused


def test_it_is_refused_for_ten_minutes_after_its_last_crash() -> None:
    clock = Clock()
    suspects = Suspects(clock)
    suspects.accuse(b"picture")
    clock.now += 500
    suspects.accuse(b"picture")

    clock.now += 599
    is_refused = suspects.is_refused(b"picture")
    clock.now += 1

    assert is_refused
    assert not suspects.is_refused(b"picture")


def test_a_crash_that_is_long_ago_does_not_count() -> None:
    clock = Clock()
    suspects = Suspects(clock)
    suspects.accuse(b"picture")
    clock.now += 600

    suspects.accuse(b"picture")

    assert not suspects.is_refused(b"picture")


def test_another_input_of_the_same_length_is_not_refused() -> None:
    suspects = Suspects(Clock())
    for _ in range(2):
        suspects.accuse(b"picture")

    assert not suspects.is_refused(b"another")


def test_the_empty_input_is_none() -> None:
    suspects = Suspects(Clock())

    fingerprints = {suspects.accuse(b"") for _ in range(3)}

    assert fingerprints == {None}
    assert not suspects.is_refused(b"")


def test_the_fingerprint_tells_inputs_apart() -> None:
    suspects = Suspects(Clock())

    assert suspects.accuse(b"one") == suspects.accuse(b"one") != suspects.accuse(b"two")


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 400)), max_size=60))
def test_it_agrees_with_a_list_of_all_crashes(crashes: list[tuple[int, int]]) -> None:
    clock = Clock()
    suspects = Suspects(clock)
    history: dict[bytes, list[float]] = {}
    for number, pause in crashes:
        clock.now += pause
        payload = bytes(number % 3 + 1) + bytes([number])
        times = history.setdefault(payload, [])
        if times and times[-1] <= clock.now - 600:
            times.clear()
        suspects.accuse(payload)
        times.append(clock.now)

    for payload, times in history.items():
        assert suspects.is_refused(payload) == (len(times) >= 2 and times[-1] > clock.now - 600)


def test_only_so_many_are_remembered_the_latest_ones() -> None:
    suspects = Suspects(Clock())
    for number in range(1000):
        for _ in range(2):
            suspects.accuse(number.to_bytes(2, "big"))

    refused = [number for number in range(1000) if suspects.is_refused(number.to_bytes(2, "big"))]

    assert refused == list(range(744, 1000))
