"""What a test may leave behind: nothing. Used by the fixture of the same name in `conftest.py`."""

from __future__ import annotations

import gc
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

T = TypeVar("T")

_OURS = re.compile(r"[a-z0-9-]+-[0-9a-f]{24}(\.\w+)?")
"""Names that `storage.tempfiles` gives."""

_GRACE_SECONDS = 3.0
"""How long a descriptor or child that is on its way out may take; nothing is waited for where nothing is left."""

_ALLOWED_TARGETS = (
    re.compile(r"/\.hypothesis/"),  # its example database
    re.compile(r"^/dev/(null|u?random)$"),  # opened once by a library, for good
)


class Emptiable(Protocol):
    """Something that holds reservations, such as `MemoryBudget`."""

    def check_empty(self) -> None:
        """Raise AssertionError with the owners where something is left."""
        ...


@dataclass(slots=True)
class Leaks:
    """Compares this process and a storage root before and after one test.

    Tests that make a budget register it with `watch`; `check_empty` is then called when everything is closed.
    """

    storage: Path | None = None
    _children: set[int] = field(default_factory=lambda: child_pids())
    _descriptors: dict[int, str] = field(default_factory=lambda: open_descriptors())
    _watched: list[Emptiable] = field(default_factory=list)

    def watch(self, budget: Emptiable) -> None:
        """Have `budget` checked at the end of the test."""
        self._watched.append(budget)

    def check(self) -> None:
        """Raise AssertionError with everything that is left."""
        left = [f"child process {pid}" for pid in _settled(self._new_children)]
        left += [f"descriptor {number} -> {target}" for number, target in _settled(self._new_descriptors)]
        left += [f"temporary file {path}" for path in self._temp_files()]
        for budget in self._watched:
            try:
                budget.check_empty()
            except AssertionError as error:
                left.append(f"reservation: {error}")
        assert not left, f"the test leaves behind: {'; '.join(left)}"

    def _new_children(self) -> list[int]:
        return sorted(child_pids() - self._children)

    def _new_descriptors(self) -> list[tuple[int, str]]:
        return [
            (number, target)
            for number, target in open_descriptors().items()
            if self._descriptors.get(number) != target and not any(one.search(target) for one in _ALLOWED_TARGETS)
        ]

    def _temp_files(self) -> list[Path]:
        if self.storage is None:
            return []
        return [path for path in self.storage.glob("**/tmp/*") if path.is_file() and _OURS.fullmatch(path.name)]


def child_pids() -> set[int]:
    """Return the children of this process, zombies too."""
    pids: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        try:
            pids.update(int(pid) for pid in (thread / "children").read_text().split())
        except OSError:  # the thread has ended
            continue
    return pids


def open_descriptors() -> dict[int, str]:
    """Return what each open descriptor of this process points to."""
    found = {}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - twice a test: Path costs more than the listing
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115
        except OSError:  # that of the listing itself
            continue
    return found


def _settled(look: Callable[[], list[T]]) -> list[T]:
    """Look again for a while, where something is left that the collector or the kernel may just be taking away."""
    left = look()
    give_up_at = time.monotonic() + _GRACE_SECONDS
    while left and time.monotonic() < give_up_at:
        gc.collect()
        time.sleep(0.02)
        left = look()
    return left
