"""The peak of a call, seen from inside the process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.domain.units import MIB
from app.workers.footprint import Footprint, Measurement, resident_bytes


@pytest.fixture
def footprint() -> Iterator[Footprint]:
    made = Footprint()
    yield made
    made.close()


def _touch(nbytes: int) -> bytearray:
    block = bytearray(nbytes)
    block[::4096] = b"x" * len(block[::4096])
    return block


def test_the_peak_is_what_the_call_added_though_it_was_given_back(footprint: Footprint) -> None:
    before_bytes = resident_bytes()

    with footprint.measure() as measurement:
        _touch(64 * MIB)

    assert measurement.peak_bytes is not None
    assert 63 * MIB <= measurement.peak_bytes <= 72 * MIB
    assert abs(measurement.resident_bytes - before_bytes) < 16 * MIB


def test_an_earlier_peak_does_not_count(footprint: Footprint) -> None:
    with footprint.measure():
        _touch(96 * MIB)

    with footprint.measure() as measurement:
        _touch(8 * MIB)

    assert measurement.peak_bytes is not None
    assert measurement.peak_bytes < 32 * MIB


def test_what_stays_is_told_as_resident(footprint: Footprint) -> None:
    before_bytes = resident_bytes()

    with footprint.measure() as measurement:
        kept = _touch(32 * MIB)

    assert measurement.resident_bytes - before_bytes >= len(kept) - MIB
    assert abs(measurement.resident_bytes - resident_bytes()) < 8 * MIB


def test_a_call_that_fails_is_measured_too(footprint: Footprint) -> None:
    measurement = Measurement()

    try:
        with footprint.measure() as measurement:
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass

    assert measurement.resident_bytes > 0
