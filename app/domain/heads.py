"""The heads in a picture."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.receipt import Receipt
from app.domain.region import Region


@dataclass(frozen=True, slots=True)
class Heads:
    """Where heads are, hair and chin included, the surest first, and what looking for them took.

    `reduced`: the picture was looked at in half the size that was asked for, as it did not fit into memory.
    """

    regions: tuple[Region, ...]
    receipt: Receipt
    reduced: bool = False

    def __len__(self) -> int:
        return len(self.regions)
