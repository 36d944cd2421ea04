"""What one call may grow by."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator

from app.workers.footprint import read_status


class DataCage:
    """Holds the data of this process to what a call was granted: the soft limit of RLIMIT_DATA.

    Without `/proc` nothing is limited.
    """

    def __init__(self) -> None:
        self._soft, self._hard = resource.getrlimit(resource.RLIMIT_DATA)

    @contextlib.contextmanager
    def allowance(self, nbytes: int) -> Iterator[None]:
        """Let the process grow by `nbytes` of data at most, for the block; what needs more gets a MemoryError."""
        # VmData is what RLIMIT_DATA is compared with; `statm` says a little less.
        if present_bytes := read_status(b"VmData:")[0]:
            self._limit(present_bytes + nbytes)
        try:
            yield
        finally:
            self._limit(self._soft)

    def _limit(self, wanted: int) -> None:
        if self._hard != resource.RLIM_INFINITY:
            wanted = self._hard if wanted == resource.RLIM_INFINITY else min(wanted, self._hard)
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, self._hard))
