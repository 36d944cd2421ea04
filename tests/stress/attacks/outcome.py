"""What an attack did, judged: the bounds are those of docs/security.md."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.domain.units import MIB
from tests.stress.attacks.honest import Photos, Probes

MAX_WORKING_SET_BYTES = 270 * MIB
MAX_LIVE_SECONDS = 0.2
MIN_HONEST_SHARE = 0.9

_SHOWN = 6


@dataclass(slots=True)
class Outcome:
    """Everything that was seen of one attack. `alone` are the honest client's turns before and after it."""

    name: str
    what: str
    clients: int
    takes_work: bool
    max_kept_bytes: int
    alone: list[Photos] = field(default_factory=list)
    beside: Photos = field(default_factory=Photos)
    live: Probes = field(default_factory=Probes)
    newcomers: Probes = field(default_factory=Probes)
    api_busy: float = 0.0
    peak_bytes: int = 0
    oom_kills: int = 0
    kept_bytes: int = 0
    left: list[str] = field(default_factory=list)
    ended: bool = False
    answered_after: bool = False
    logged: Counter[str] = field(default_factory=Counter)
    tally: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_back(self) -> bool:
        return self.kept_bytes <= self.max_kept_bytes

    @property
    def honest_share(self) -> float:
        """Photos a second beside the attack, over those without it (before, and after where it could be measured)."""
        rates = [turn.rate for turn in self.alone if turn.analysed]
        return self.beside.rate / statistics.mean(rates) if rates else 0.0

    @property
    def owed_share(self) -> float:
        """What the honest client is owed: nearly all, or where the attackers ask for work, nearly its fair share."""
        return MIN_HONEST_SHARE / (self.clients + 1) if self.takes_work else MIN_HONEST_SHARE

    def read_log(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Keep what was logged as an error, and what no logger formatted."""
        for line in lines:
            if line.get("level") in ("error", "critical") or "level" not in line:
                self.logged[str(line["message"])[:80]] += 1

    def harm(self) -> list[str]:
        """Return what even a slow machine is no excuse for."""
        found = []
        if self.oom_kills:
            found.append(f"{self.oom_kills} OOM kills")
        if self.ended:
            found.append("the service ended")
        if not self.answered_after:
            found.append("no photo is answered afterwards")
        if not self.is_back:
            found.append(f"{self.kept_bytes / 1e6:.0f} MB kept")
        found += [f"left: {one} ({count})" for one, count in Counter(self.left).items()]
        found += [f"{name} ({count})" for name, count in self.tally.items() if _is_harm(name)]
        found += [f"logged: {message} ({count})" for message, count in self.logged.items()]
        if not self.tally.get("connections"):
            found.append(f"the attack did not take place: {dict(self.tally)}")
        return found

    def faults(self) -> list[str]:
        """Return every bound that was not kept."""
        found = self.harm()
        if self.peak_bytes > MAX_WORKING_SET_BYTES:
            found.append(f"working set {self.peak_bytes / MIB:.0f} MiB")
        if self.live.worst > MAX_LIVE_SECONDS:
            found.append(f"/health/live {self.live.worst * 1000:.0f} ms")
        if self.honest_share < self.owed_share:
            found.append(f"honest {self.honest_share:.2f} of {self.owed_share:.2f}")
        return found

    def told(self) -> str:
        """Return what the attacker counted, most first, bytes apart."""
        counted = Counter(dict(self.tally))
        megabytes = counted.pop("bytes sent", 0) / 1e6
        return ", ".join([f"{megabytes:.0f} MB", *(f"{name}: {n}" for name, n in counted.most_common(_SHOWN))])


def _is_harm(counted: str) -> bool:
    """Whether the attacker should not have counted this: an answer to a hidden request, a 500, silence."""
    return counted.startswith(("smuggled", "unanswered")) or counted in ("500", "502")
