"""The heads in a picture."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.receipt import Receipt
from app.domain.region import Region


@dataclass(frozen=True, slots=True)
class Heads:
    """Where heads are, hair and chin included, the surest first, and what looking for them took.

    By the receipt: `reduced` where the picture was looked at in half the size that was asked for, to fit into memory.
    """

    regions: tuple[Region, ...]
    receipt: Receipt
