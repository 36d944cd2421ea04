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


class Footprint:
    """Measures this process. It is made before the cage is entered: a child can open nothing for writing later."""

    def __init__(self) -> None:
        self._clear_refs: int | None = None
        with contextlib.suppress(OSError):
            self._clear_refs = os.open("/proc/self/clear_refs", os.O_WRONLY)

    def close(self) -> None:
        """Close what it opened; it measures no peaks any more."""
        if self._clear_refs is not None:
            os.close(self._clear_refs)
            self._clear_refs = None

    @contextlib.contextmanager
    def measure(self) -> Iterator[Measurement]:
        """Measure what happens inside the block. Both figures are of the process: nothing else may run in it."""
        measurement = Measurement()
        if self._clear_refs is not None:
            os.write(self._clear_refs, b"5")
        start_bytes = resident_bytes()
        try:
            yield measurement
        finally:
            measurement.resident_bytes, peak_bytes = read_status(b"VmRSS:", b"VmHWM:")
            if peak_bytes and self._clear_refs is not None:
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
