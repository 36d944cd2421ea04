"""What is counted over all children of a role, whichever pool they are of."""

from __future__ import annotations

from app.domain.histogram import Histogram
from app.workers.ending import Ending


class Tally:
    """How children ended, and how long each took from its start until it was loaded."""

    def __init__(self) -> None:
        self.endings = dict.fromkeys(Ending, 0)
        self.ready_seconds = Histogram()
