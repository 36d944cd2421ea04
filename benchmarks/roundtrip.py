"""What the service adds to the analysis of one picture, beside the same analysis in a plain loop.

    python -m benchmarks.roundtrip [--rounds 10] [--requests 40] [--against CHECKOUT] [--short]

One keep-alive client sends a 640x480 JPEG again and again. A round is so many requests, so many of the plain loop (a
process of its own: decode and detect, nothing else), and so many of GET /health/live, which shows what the client, the
loopback and the HTTP server cost for themselves; their order changes from round to round. What the service adds is the
time until the whole answer is there, less the decode and inference times that the worker measured.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from app.workers.launch import CHILD_ENVIRONMENT  # so that the loop runs under the allocator of the real worker
from benchmarks.client import Client
from benchmarks.media import crop_jpeg
from benchmarks.raw_loop import RawLoop
from benchmarks.server import REPOSITORY, add_against, run_service
from benchmarks.table import Measure, percentile, print_comparison, print_heading, print_measures, print_table

WIDTH, HEIGHT = 640, 480
_WARM_UP = 20


@dataclass
class Times:
    """Seconds, one list a round."""

    answer: list[list[float]] = field(default_factory=list)
    worker: list[list[float]] = field(default_factory=list)
    raw: list[list[float]] = field(default_factory=list)
    probe: list[list[float]] = field(default_factory=list)

    @property
    def added(self) -> list[list[float]]:
        return [
            [answer - worker for answer, worker in zip(*pair, strict=True)]
            for pair in zip(self.answer, self.worker, strict=True)
        ]


def main() -> None:
    arguments = _arguments()
    print_heading("benchmarks.roundtrip", f"One {WIDTH}x{HEIGHT} JPEG over HTTP, task {arguments.task}")
    rounds, requests = (2, 5) if arguments.short else (arguments.rounds, arguments.requests)
    picture = crop_jpeg("thumb_up.jpg", WIDTH, HEIGHT)
    trees = [REPOSITORY, *([arguments.against] if arguments.against else [])]
    ours, *others = measure(trees, arguments.task, picture, rounds, requests)
    print(f"{rounds} rounds of {requests} requests, picture of {len(picture)} bytes\n")
    _print_times(ours)
    print()
    print_measures(_summarize(ours))
    for other in others:
        print()
        print_comparison(_summarize(ours), _summarize(other))


def measure(trees: Sequence[Path], task: str, picture: bytes, rounds: int, requests: int) -> list[Times]:
    """Take the times of the services of all trees, and of the plain loop, in shuffled order; return those of each."""
    times, order = [Times() for _ in trees], random.Random(1)
    with ExitStack() as stack:
        file = stack.enter_context(tempfile.NamedTemporaryFile(suffix=".jpg"))
        file.write(picture)
        file.flush()
        services = [stack.enter_context(run_service(tree=tree)) for tree in trees]
        clients = [stack.enter_context(service.connect()) for service in services]
        raw = stack.enter_context(RawLoop(task, Path(file.name), CHILD_ENVIRONMENT))
        for number in range(-1, rounds):
            targets = times if number >= 0 else [Times() for _ in trees]  # the first round is to warm up
            count = requests if number >= 0 else _WARM_UP
            turns: list[Callable[[], None]] = [partial(_loop, raw, count, targets)]
            for client, target in zip(clients, targets, strict=True):
                turns.append(partial(_post, client, task, picture, count, target))
                turns.append(partial(_probe, client, count, target))
            for turn in order.sample(turns, len(turns)):
                turn()
    return times


def _post(client: Client, task: str, picture: bytes, count: int, times: Times) -> None:
    request = client.prepare("POST", f"/v1/vision/{task}?cache=false", picture)
    taken, worker = [], []
    for _ in range(count):
        began = time.perf_counter()
        answer = client.exchange(request)
        taken.append(time.perf_counter() - began)
        found = answer.json()
        if answer.status != 200 or len(found["detections"]) != 1:
            raise SystemExit(f"answered {answer.status}: {answer.body[:300]!r}")
        worker.append(found["timing"]["decodeSeconds"] + found["timing"]["inferenceSeconds"])
    times.answer.append(taken)
    times.worker.append(worker)


def _loop(raw: RawLoop, count: int, all_times: Sequence[Times]) -> None:
    taken = raw.run(count)
    for times in all_times:
        times.raw.append(taken)


def _probe(client: Client, count: int, times: Times) -> None:
    request = client.prepare("GET", "/health/live")
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        answer = client.exchange(request)
        taken.append(time.perf_counter() - began)
        assert answer.status == 200
    times.probe.append(taken)


def _print_times(times: Times) -> None:
    rows = []
    for name, rounds in (
        ("whole answer", times.answer),
        ("  in the worker: decode + inference", times.worker),
        ("  added by the service", times.added),
        ("plain loop: decode + inference", times.raw),
        ("GET /health/live (client, loopback, HTTP)", times.probe),
    ):
        values = [1e3 * value for one in rounds for value in one]
        rows.append([name, *(f"{value:.2f}" for value in (statistics.median(values), percentile(values, 95)))])
    print_table(["milliseconds", "median", "p95"], rows)


def _summarize(times: Times) -> list[Measure]:
    added = [1e3 * statistics.median(one) for one in times.added]
    pairs = zip(times.answer, times.raw, strict=True)
    ratios = [statistics.median(answer) / statistics.median(raw) for answer, raw in pairs]
    return [
        Measure("added by the service, median of a round", added, "ms", 3.0, 2),
        Measure("whole answer over plain loop, by rounds", ratios, "", None, 2),
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--requests", type=int, default=40, help="requests in a round")
    parser.add_argument("--task", default="hands", choices=["hands", "gestures"])
    add_against(parser)
    parser.add_argument("--short", action="store_true", help="two rounds of five requests")
    return parser.parse_args()


if __name__ == "__main__":
    main()
