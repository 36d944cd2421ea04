"""Children that come and go: how soon a task answers whose child is not there, and what memory children take and leave.

    python -m benchmarks.children [--rounds 5] [--against CHECKOUT] [--short]

"First answer" is of a task that no process holds a model of, from sending a photo to having its answer. Warm: others
were there before, and went when memory was reclaimed (`POST /v1/memory/reclaim`); what they were forked from, the
zygote, is still there. Cold: the first photo that a service gets. Page caches are warm in both. PSS counts a shared
page once over all processes of the tree. "Memory back" is from the moment at which the service says that the model is
unloaded until the tree has at most 4 MB more, and the ledger nothing more, than before it was loaded; another model is
in use meanwhile.
"""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.client import Client
from benchmarks.departure import let_children_go, seconds_until_back
from benchmarks.load import load
from benchmarks.media import find_media
from benchmarks.mixed_load import CLIENTS, TASKS
from benchmarks.server import REPOSITORY, Service, add_against, run_service
from benchmarks.table import MB, Measure, print_comparison, print_heading, print_measures
from benchmarks.vision import check

PICTURE = "thumb_up.jpg"
_SETTLE_SECONDS = 0.5
_LOAD_SECONDS = 2.0


@dataclass
class Children:
    """What was measured of one checkout, a value a round; `zygotes` tells for each warm answer if there was one."""

    warm: dict[str, list[float]]
    cold: dict[str, list[float]]
    zygotes: list[bool] = field(default_factory=list)
    idle_rss: list[int] = field(default_factory=list)
    with_hands_pss: list[int] = field(default_factory=list)
    two_instances_pss: list[int] = field(default_factory=list)
    two_instances_processes: list[int] = field(default_factory=list)
    back: list[float] = field(default_factory=list)


def main() -> None:
    arguments = _arguments()
    print_heading("benchmarks.children", f"First answers and memory of children, {PICTURE}")
    picture = find_media(PICTURE).read_bytes()
    trees = [REPOSITORY, *([arguments.against] if arguments.against else [])]
    tasks = TASKS[:1] if arguments.short else TASKS
    found = [Children({task: [] for task in tasks}, {task: [] for task in tasks}) for _ in trees]
    order = random.Random(1)
    for _ in range(1 if arguments.short else arguments.rounds):
        for number in order.sample(range(len(trees)), len(trees)):
            _measure_warm(trees[number], picture, order, found[number])
            _measure_cold(trees[number], picture, found[number])
            _measure_memory(trees[number], picture, found[number])
    ours, *others = found
    print(f"{len(ours.back)} rounds; {sum(ours.zygotes)} of {len(ours.zygotes)} warm answers had a zygote\n")
    print_measures(_summarize(ours))
    for other in others:
        print()
        print_comparison(_summarize(ours), _summarize(other))


def _measure_warm(tree: Path, picture: bytes, order: random.Random, found: Children) -> None:
    with run_service(tree=tree) as service, service.connect() as client:
        _post(client, "segmentation", picture)
        for task in order.sample(list(found.warm), len(found.warm)):
            found.zygotes.append(let_children_go(service, client))
            time.sleep(_SETTLE_SECONDS)  # the API still returns what it has free to the kernel
            found.warm[task].append(_post(client, task, picture))


def _measure_cold(tree: Path, picture: bytes, found: Children) -> None:
    for task in found.cold:
        with run_service(tree=tree) as service, service.connect() as client:
            found.cold[task].append(_post(client, task, picture))


def _measure_memory(tree: Path, picture: bytes, found: Children) -> None:
    with run_service(tree=tree) as service, service.connect() as client:
        found.idle_rss.append(service.highest_memory(_SETTLE_SECONDS).rss_bytes)
        _post(client, "hands", picture)
        found.with_hands_pss.append(service.highest_memory(_SETTLE_SECONDS).pss_bytes)
        _load(service, picture)
        memory = service.highest_memory(_SETTLE_SECONDS)
        found.two_instances_pss.append(memory.pss_bytes)
        found.two_instances_processes.append(len(memory.processes))
        hands, pose = partial(_post, task="hands", picture=picture), partial(_post, task="pose", picture=picture)
        found.back.append(seconds_until_back(service, "pose", used=hands, loaded=pose))


def _load(service: Service, picture: bytes) -> None:
    """Keep four clients at it until there is an instance for each core."""

    def request(client: Client) -> bytes:
        return client.prepare("POST", "/v1/vision/hands?cache=false", picture)

    load(service.port, request, CLIENTS, _LOAD_SECONDS, check)


def _post(client: Client, task: str, picture: bytes) -> float:
    """Return the seconds of one answer."""
    began = time.perf_counter()
    answer = client.post(f"/v1/vision/{task}?cache=false", picture)
    seconds = time.perf_counter() - began
    if answer.status != 200:
        raise SystemExit(f"{task} answered {answer.status}: {answer.body[:300]!r}")
    return seconds


def _summarize(found: Children) -> list[Measure]:
    """Return the rows of the table; targets are those of the project's tenth issue."""
    return [
        *(Measure(f"first answer of {task}, warm", _ms(found.warm[task]), "ms", 150, 0) for task in found.warm),
        *(Measure(f"first answer of {task}, cold", _ms(found.cold[task]), "ms", 450, 0) for task in found.cold),
        _mb("idle (RSS)", found.idle_rss, 62),
        _mb("with hands, after one request (PSS)", found.with_hands_pss, 155),
        _mb("with two instances, after four clients (PSS)", found.two_instances_pss, 200),
        Measure("  processes then", found.two_instances_processes, "", digits=0),
        Measure("memory of pose back after its end", found.back, "s", 1, 2),
    ]


def _ms(seconds: list[float]) -> list[float]:
    return [1e3 * one for one in seconds]


def _mb(name: str, sizes: list[int], target: float) -> Measure:
    return Measure(name, [size / MB for size in sizes], "MB", target)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    add_against(parser)
    parser.add_argument("--short", action="store_true", help="one round, first answers of one task")
    return parser.parse_args()


if __name__ == "__main__":
    main()
