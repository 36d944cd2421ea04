"""The classes of work, in the order in which they are served."""

from __future__ import annotations

from enum import IntEnum


class Priority(IntEnum):
    """LIVE frames before REQUEST answers before BATCH work; by weights, so that none starves."""

    LIVE = 0
    REQUEST = 1
    BATCH = 2
