"""Idle connections: how many are taken, how the others are refused, and what each costs.

    python -m benchmarks.idle [--connections 10000] [--streams 2000] [--against CHECKOUT] [--short]

A fresh service in a memory control group of 300 MiB is offered keep-alive connections that were answered once, another
one WebSockets that were greeted; they come from 20 addresses and stay. "Open" is how many are so when all were offered;
the memory is what the API process holds of its own beyond before, for each of those, once it has served a few. Probes
ask meanwhile on the probe port, over a new connection each time. Settings are the defaults.
"""

from __future__ import annotations

import argparse
import resource
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.domain.units import MIB
from benchmarks.client import Client
from benchmarks.group_watch import GroupWatch
from benchmarks.idle_offer import KINDS, Kind, Offer
from benchmarks.server import REPOSITORY, add_against, run_service
from benchmarks.table import print_heading, print_table
from benchmarks.usage import anonymous_bytes
from soak.cgroup import GroupUnavailable, memory_group

LIMIT_BYTES = 300 * MIB
MAX_PROBE_SECONDS = 0.2

_PROBE_PAUSE_SECONDS = 0.05
_OTHER_FILES = 500
_WARM_UP = 4
_WARM_UP_SECONDS = 1.0
_HEADER = ["", "offered", "taken", "open", "refused", "kB each", "target", "peak MiB", "probe worst ms", "verdict"]


@dataclass(frozen=True, slots=True)
class Seen:
    """One service under one kind of connections."""

    offered: int
    taken: int
    open: int
    refused: Counter[str]
    grown_bytes: int
    peak_bytes: int
    probes: Sequence[float]


def main() -> None:
    arguments = _arguments()
    print_heading("benchmarks.idle", f"Idle connections in {LIMIT_BYTES // MIB} MiB, as shipped")
    _allow_files(max(arguments.connections, arguments.streams) + _OTHER_FILES)
    trees = {"this checkout": REPOSITORY} | ({"the other": arguments.against} if arguments.against else {})
    rows = []
    for kind, count in zip(KINDS, (arguments.connections, arguments.streams), strict=True):
        for name, tree in trees.items():
            try:
                rows.append(_row(f"{kind.name}, {name}", kind, measure(kind, count, tree)))
            except GroupUnavailable as error:
                raise SystemExit(f"this needs a memory control group: {error}") from None
    print_table(_HEADER, rows)


def measure(kind: Kind, count: int, tree: Path) -> Seen:
    """Offer so many to a fresh service.

    Raises:
        GroupUnavailable: no control group can be made.
    """
    offer, probe_port = Offer(), _free_port()
    settings = {"BALLAST_SERVER__PROBE_PORT": str(probe_port)}
    with memory_group(LIMIT_BYTES) as group, run_service(settings, tree, group) as service:
        _warm_up(service.port, kind)
        before_bytes = anonymous_bytes(service.pid)
        try:
            with GroupWatch(group) as watch, _probing(probe_port) as probes:
                offer.make(service.port, kind, count)
                held = offer.still_open()
                grown_bytes = anonymous_bytes(service.pid) - before_bytes
            return Seen(count, len(offer.taken), held, offer.refused, grown_bytes, watch.peak_bytes, probes)
        finally:
            offer.close()


def _warm_up(port: int, kind: Kind) -> None:
    """Have the service import and keep what it needs once, whatever the number of connections."""
    offer = Offer()
    offer.make(port, kind, _WARM_UP)
    offer.close()
    time.sleep(_WARM_UP_SECONDS)


@contextmanager
def _probing(port: int) -> Iterator[list[float]]:
    """Ask /health/live while the block runs; lend the seconds of the answers, infinite where there was none."""
    seconds, ended = list[float](), threading.Event()

    def probe() -> None:
        while not ended.wait(_PROBE_PAUSE_SECONDS):
            began = time.perf_counter()
            try:
                with Client("127.0.0.1", port, timeout_seconds=5.0) as client:
                    good = client.get("/health/live").status == 200
            except OSError:
                good = False
            seconds.append(time.perf_counter() - began if good else float("inf"))

    thread = threading.Thread(target=probe, name="probe")
    thread.start()
    try:
        yield seconds
    finally:
        ended.set()
        thread.join()


def _row(name: str, kind: Kind, seen: Seen) -> list[str]:
    each_bytes = seen.grown_bytes / seen.open if seen.open else 0.0
    refused = ", ".join(f"{word}: {count}" for word, count in seen.refused.most_common()) or "none"
    worst = max(seen.probes)
    met = each_bytes <= kind.target_bytes and worst <= MAX_PROBE_SECONDS and seen.open > 0
    return [
        name,
        str(seen.offered),
        str(seen.taken),
        str(seen.open),
        refused,
        f"{each_bytes / 1000:.1f}",
        f"<= {kind.target_bytes / 1000:.0f}",
        f"{seen.peak_bytes / MIB:.0f}",
        f"{1000 * worst:.0f}",
        "met" if met else "MISSED",
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _allow_files(wanted: int) -> None:
    """Raise the limit of open files as far as may be; the service inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise SystemExit(f"{wanted} files must be open, and no more than {hard} may be (ulimit -n)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--streams", type=int, default=2_000)
    add_against(parser)
    parser.add_argument("--short", action="store_true", help="only show that it runs")
    arguments = parser.parse_args()
    if arguments.short:
        arguments.connections, arguments.streams = 200, 50
    return arguments


if __name__ == "__main__":
    main()
