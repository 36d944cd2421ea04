"""What all pools of a role share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from app.workers.brake import RestartBrake
from app.workers.call import Call
from app.workers.launcher import Launcher
from app.workers.suspects import Suspects
from app.workers.tally import Tally


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`brake` and `suspects` have the same clock (seconds, monotonic)."""

    launcher: Launcher
    brake: RestartBrake
    suspects: Suspects
    clock: Callable[[], float] = time.monotonic
    tally: Tally = field(default_factory=Tally)

    @classmethod
    def around(cls, launcher: Launcher, clock: Callable[[], float] = time.monotonic) -> Surroundings:
        """Return them with a new brake, and nobody suspected."""
        return cls(launcher, RestartBrake(clock), Suspects(clock), clock)

    def trouble(self, role: str) -> str | None:
        """Why no child of this role can be started now, or None."""
        if (seconds := self.brake.closed_seconds) > 0:
            return f"the {role} worker died too often; the next start is in {seconds:.0f} s"
        return None

    def count_crash(self, call: Call | None) -> None:
        """Count a crash against the input of this call, None: in the work on none. Different inputs close the brake."""
        self.brake.record_death(None if call is None else self.suspects.accuse(call.message.suspect))
