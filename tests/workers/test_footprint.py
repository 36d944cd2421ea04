"""The peak of a call, seen from inside the process."""

from __future__ import annotations

import threading

from app.domain.units import MIB
from app.workers.footprint import Footprint, resident_bytes


def _touch(nbytes: int) -> bytearray:
    block = bytearray(nbytes)
    block[::4096] = b"x" * len(block[::4096])
    return block


def test_the_peak_is_what_the_call_added_though_it_was_given_back() -> None:
    footprint = Footprint()

    with footprint.measure() as measurement:
        _touch(64 * MIB)

    assert measurement.peak_bytes is not None
    assert 63 * MIB <= measurement.peak_bytes <= 72 * MIB
    assert abs(measurement.resident_bytes - measurement.start_bytes) < 16 * MIB


def test_an_earlier_peak_does_not_count() -> None:
    footprint = Footprint()
    with footprint.measure():
        _touch(96 * MIB)

    with footprint.measure() as measurement:
        _touch(8 * MIB)

    assert measurement.peak_bytes is not None
    assert measurement.peak_bytes < 32 * MIB


def test_what_stays_is_told_as_resident() -> None:
    footprint = Footprint()

    with footprint.measure() as measurement:
        kept = _touch(32 * MIB)

    assert measurement.resident_bytes - measurement.start_bytes >= len(kept) - MIB
    assert abs(measurement.resident_bytes - resident_bytes()) < 8 * MIB


def test_a_peak_beside_another_call_belongs_to_nobody() -> None:
    footprint = Footprint()
    peaks: list[int | None] = []
    inside, leave = threading.Event(), threading.Event()

    def run_long() -> None:
        with footprint.measure() as measurement:
            inside.set()
            leave.wait(10)
        peaks.append(measurement.peak_bytes)

    thread = threading.Thread(target=run_long)
    thread.start()
    inside.wait(10)
    with footprint.measure() as short:
        pass
    leave.set()
    thread.join()
    with footprint.measure() as alone:
        pass

    assert (peaks, short.peak_bytes) == ([None], None)
    assert alone.peak_bytes is not None


def test_a_call_that_fails_is_measured_too() -> None:
    footprint = Footprint()
    measured = None

    try:
        with footprint.measure() as measured:
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass

    assert measured is not None
    assert measured.resident_bytes > 0
