"""What the previous run was doing when it ended without notice: most often it was the kernel's OOM killer.

A run writes its last sample and ledger to a small file, again and again, and marks it when it shuts down cleanly. A
run that finds the file without the mark reports it as `lastOom`.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

logger = logging.getLogger("ballast.memory")

Evidence = Literal["counter", "inferred"]


@dataclass(frozen=True, slots=True)
class LastOom:
    """How the previous run ended. `counter`: the kernel counted an OOM kill since; `inferred`: it left no mark."""

    evidence: Evidence
    snapshot: Mapping[str, Any]


class BlackBox:
    """The file of snapshots. `read` it once at start, before the first `write`; file errors are logged, not raised."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()
        self._ended = False

    def read(self, oom_kills: int) -> LastOom | None:
        """Return what the previous run left, if it did not shut down cleanly. `oom_kills` is the kernel's counter now.

        The counter is evidence only if it is the same one, in the same boot of the same control group: it never falls.
        """
        try:
            left = json.loads(self._path.read_bytes())
            clean, snapshot = left["clean"], left["snapshot"]
            counted = oom_kills > snapshot["oomKills"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("the snapshot of the last run cannot be read: %s", error)
            return None
        if clean:
            return None
        return LastOom("counter" if counted else "inferred", snapshot)

    def write(self, snapshot: Mapping[str, Any], *, clean: bool = False) -> None:
        """Replace the file. `snapshot` must have `oomKills`. Call it in a thread: a disk may be slow.

        Nothing is written after the mark of a clean shutdown, such as a snapshot whose thread comes later.
        """
        with self._writing:
            if not self._ended:
                self._ended = clean
                self._replace(snapshot, clean)

    def _replace(self, snapshot: Mapping[str, Any], clean: bool) -> None:
        temporary = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps({"clean": clean, "snapshot": snapshot}))
            temporary.replace(self._path)
        except OSError as error:
            logger.warning("the snapshot cannot be written: %s", error)
