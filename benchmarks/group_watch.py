"""What a control group really uses while something runs in it: the kernel's figures, looked at from outside."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from soak.cgroup import MemoryGroup

_PERIOD_SECONDS = 0.02


class GroupWatch:
    """Looks 50 times a second while the block runs; `peak_bytes` is the highest working set that it saw."""

    def __init__(self, group: MemoryGroup) -> None:
        self.peak_bytes = 0
        self._group = group
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="group watch")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_PERIOD_SECONDS):
            self.peak_bytes = max(self.peak_bytes, self._group.working_set_bytes())
