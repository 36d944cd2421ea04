"""How long nothing has come for each resumable upload, kept over restarts without asking what time of day it is.

While the service runs, ages are differences of the monotonic clock. The file holds the ages of one moment with the
clock of that moment and the boot that it counts from: in the same boot the time in which the service was down is added;
after another boot it is not known, and an upload has only aged while the machine was up. So a clock that is set, wrong
at boot or corrected by years makes nothing older or younger.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt

from app.storage.files import make_folder, replace

logger = logging.getLogger("ballast.storage")

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Age(NamedTuple):
    """Seconds without a byte, and how many bytes there were: where more have come since, it is younger."""

    seconds: NonNegativeFloat
    size_bytes: NonNegativeInt


class _Kept(BaseModel):
    """`clock` is what the monotonic clock said; `boot` is empty where the system does not name its boots."""

    model_config = ConfigDict(allow_inf_nan=False)

    boot: str
    clock: float
    ages: dict[str, Age]


class Ages:
    """The file with the ages. All methods block: they are called in threads."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic, boot_file: Path = _BOOT_ID) -> None:
        self.clock = clock
        self._path = path
        self._boot = _boot_id(boot_file)

    def read(self) -> dict[str, Age]:
        """Return the ages that an earlier run left, as they are now; what cannot be read is not known."""
        try:
            kept = _Kept.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            logger.warning("the ages of uploads cannot be read: %s", error)
            return {}
        same_boot = kept.boot == self._boot != ""
        down_seconds = max(0.0, self.clock() - kept.clock) if same_boot else 0.0
        return {name: Age(age.seconds + down_seconds, age.size_bytes) for name, age in kept.ages.items()}

    def write(self, ages: Mapping[str, Age]) -> None:
        """Keep the ages of now; a failure costs only that an earlier state is kept, and is logged."""
        kept = _Kept(boot=self._boot, clock=self.clock(), ages=dict(ages))
        try:
            make_folder(self._path.parent, synced=False)
            replace(self._path, kept.model_dump_json().encode(), self._path.with_suffix(".new"), synced=False)
        except OSError as error:
            logger.warning("the ages of uploads cannot be kept: %s", error)


def _boot_id(boot_file: Path) -> str:
    try:
        return boot_file.read_text().strip()
    except OSError:
        return ""
