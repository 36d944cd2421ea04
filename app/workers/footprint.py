"""What a call cost in memory, seen by the child itself.

VmHWM only ever rises; writing 5 to clear_refs sets it back to VmRSS (proc(5)), which makes a peak per call. It is
not `ru_maxrss`, which a child inherits from its parent.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from app.domain.units import KIB

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MOST_BYTES = 8 * KIB


@dataclass(slots=True)
class Measurement:
    """`peak_bytes` is how far the process rose above its size at the start; None where `/proc` does not tell."""

    peak_bytes: int | None = None
    resident_bytes: int = 0

    def as_dict(self) -> dict[str, int | None]:
        return {"peakBytes": self.peak_bytes, "residentBytes": self.resident_bytes}


@contextlib.contextmanager
def measure() -> Iterator[Measurement]:
    """Measure what happens inside the block. Both figures are of the process: nothing else may run in it."""
    measurement = Measurement()
    _reset_peak()
    start_bytes = resident_bytes()
    try:
        yield measurement
    finally:
        measurement.resident_bytes, peak_bytes = read_status(b"VmRSS:", b"VmHWM:")
        if peak_bytes:
            measurement.peak_bytes = max(0, peak_bytes - start_bytes)


def resident_bytes() -> int:
    """Return VmRSS of this process, by `statm`: a tenth of what reading `status` costs."""
    fields = _read("/proc/self/statm").split()
    return int(fields[1]) * _PAGE_BYTES if fields else 0


def read_status(*names: bytes) -> list[int]:
    """Return the bytes of each member of this process's status (proc(5)), such as `VmRSS:`; zeros without `/proc`."""
    status = _read("/proc/self/status")
    rests = (status.partition(name)[2] for name in names)
    return [int(rest.split(None, 1)[0]) * KIB if rest else 0 for rest in rests]


def _reset_peak() -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open("/proc/self/clear_refs", os.O_WRONLY)
        try:
            os.write(descriptor, b"5")
        finally:
            os.close(descriptor)


def _read(path: str) -> bytes:
    """Return what a small file of the kernel says, nothing where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(descriptor, _MOST_BYTES)
    finally:
        os.close(descriptor)
