"""Memory and start of the service: at rest, with a model, and after the model's worker has gone.

    python -m benchmarks.footprint [--repetitions 5] [--idle-seconds 3] [--against CHECKOUT] [--short]
    python -m benchmarks.footprint --imports

Resident memory (RSS) is summed over the service and its children, in MB of 10^6 bytes; PSS counts shared pages once.
"With a model" is the highest of half a second from the answer on. `--imports` shows what the memory at rest goes to.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

from benchmarks.imports import print_imports
from benchmarks.media import find_media
from benchmarks.server import REPOSITORY, Service, add_against, run_service
from benchmarks.table import MB, Measure, print_comparison, print_heading, print_measures
from benchmarks.tree import TreeMemory

_SETTLE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Footprint:
    """One life of a service."""

    ready_seconds: float
    idle: TreeMemory
    with_hands: TreeMemory
    with_gestures: TreeMemory
    after: TreeMemory

    @property
    def kept_bytes(self) -> int:
        return self.after.rss_bytes - self.idle.rss_bytes


def main() -> None:
    arguments = _arguments()
    print_heading("benchmarks.footprint", "Memory of the process tree, and start-up")
    if arguments.imports:
        print_imports()
        return
    repetitions = 1 if arguments.short else arguments.repetitions
    idle_seconds = 2.0 if arguments.short else arguments.idle_seconds
    trees = [REPOSITORY, *([arguments.against] if arguments.against else [])]
    lives: list[list[Footprint]] = [[] for _ in trees]
    order = random.Random(1)
    for _ in range(repetitions):
        for number in order.sample(range(len(trees)), len(trees)):
            lives[number].append(measure(idle_seconds, trees[number]))
    ours, *others = (summarize(of_tree) for of_tree in lives)
    print_measures(ours)
    for other in others:
        print()
        print_comparison(ours, other)


def measure(idle_seconds: float, tree: Path = REPOSITORY) -> Footprint:
    """Start a service, use both tasks, wait until the worker has gone, and stop it."""
    picture = find_media("thumb_up.jpg").read_bytes()
    with run_service({"BALLAST_VISION__IDLE_SECONDS": str(idle_seconds)}, tree) as service:
        idle = service.highest_memory(_SETTLE_SECONDS)
        with_hands = _use(service, "hands", picture)
        with_gestures = _use(service, "gestures", picture)
        service.wait_for_children(0, 2 * idle_seconds + 10)
        after = service.highest_memory(_SETTLE_SECONDS)
        return Footprint(service.ready_seconds, idle, with_hands, with_gestures, after)


def summarize(lives: list[Footprint]) -> list[Measure]:
    """Return the rows of the table; targets are those of the project's second and tenth issue."""
    return [
        Measure("ready after start", [life.ready_seconds for life in lives], "s", 1.0, 2),
        _rss("idle, no request yet", [life.idle for life in lives], 62),
        Measure("  of it anonymous", [life.idle.processes[0].anonymous_bytes / MB for life in lives], "MB"),
        Measure("  of it files (libraries)", [life.idle.processes[0].file_bytes / MB for life in lives], "MB"),
        _rss("with hands, after one request", [life.with_hands for life in lives], 200),
        Measure("  of it the worker", [life.with_hands.processes[-1].rss_bytes / MB for life in lives], "MB"),
        Measure("  as PSS of the tree", [life.with_hands.pss_bytes / MB for life in lives], "MB", 155),
        _rss("with hands and gestures", [life.with_gestures for life in lives], None),
        _rss("after the idle time, worker gone", [life.after for life in lives], None),
        Measure("  more than at idle", [life.kept_bytes / MB for life in lives], "MB", 10),
    ]


def _use(service: Service, task: str, picture: bytes) -> TreeMemory:
    with service.connect() as client:
        answer = client.post(f"/v1/vision/{task}?cache=false", picture)
    found = len(answer.json().get("detections", []))
    if answer.status != 200 or found != 1:
        raise SystemExit(f"{task} answered {answer.status} with {found} hands: {answer.body[:300]!r}")
    return service.highest_memory(_SETTLE_SECONDS)


def _rss(name: str, samples: list[TreeMemory], target: float | None) -> Measure:
    return Measure(name, [sample.rss_bytes / MB for sample in samples], "MB", target)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--idle-seconds", type=float, default=3.0, help="BALLAST_VISION__IDLE_SECONDS of the service")
    add_against(parser)
    parser.add_argument("--short", action="store_true", help="one repetition with a short idle time")
    parser.add_argument("--imports", action="store_true", help="show what the memory at rest goes to, and nothing else")
    return parser.parse_args()


if __name__ == "__main__":
    main()
