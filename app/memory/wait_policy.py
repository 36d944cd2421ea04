"""How many may wait for bytes, how long, and in which proportions they are served."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WaitPolicy:
    """At most `max_waiting` wait, each for at most `wait_seconds` unless it says otherwise.

    `client_share` is the share of these places that one client may have; `weights` are the shares of LIVE, REQUEST and
    BATCH in the bytes granted while all of them wait; for `overtake_seconds` see `backfill`.
    """

    max_waiting: int = 256
    wait_seconds: float = 10.0
    weights: tuple[float, float, float] = (70, 25, 5)
    overtake_seconds: float = 2.0
    client_share: float = 0.5

    @property
    def client_places(self) -> int:
        """How many of one client may wait."""
        return max(1, math.ceil(self.max_waiting * self.client_share))
