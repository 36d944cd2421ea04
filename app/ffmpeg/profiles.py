"""How much memory an encoder is given: four profiles, and a smaller picture as the last rung."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Profile(IntEnum):
    """From the least to the most memory (what each is: `encoders`)."""

    MINIMAL = 0
    LOW = 1
    BALANCED = 2
    HIGH = 3


@dataclass(frozen=True, slots=True)
class Rung:
    """One way to encode. `max_height`: the picture is made no higher than that; None: as it was asked for."""

    profile: Profile
    max_height: int | None = None
