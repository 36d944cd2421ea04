"""The hands task over HTTP from several work trees beside each other: what a change to the service costs or brings.

    python -m benchmarks.trees before=../before after=. [--rounds 7] [--seconds 3] [--requests 100]

Each round has every tree in turn, in another order every time, twice: with pictures that are looked at (`cache=false`)
and with one whose answer is remembered. A turn is one client alone for so many requests, then four for some seconds.
The processor time is that of the API process over the turn of four clients. Ratios are made within a round, to the
first tree; the Python of a tree is that of its own `.venv` where it has one.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.client import Answer, Client
from benchmarks.load import ask, load
from benchmarks.media import find_media
from benchmarks.server import Service, run_service
from benchmarks.table import print_heading, print_table, span
from benchmarks.usage import cpu_seconds

CLIENTS = 4
PICTURE = "thumb_up.jpg"
PATHS = {"looked at": "/v1/vision/hands?cache=false", "remembered": "/v1/vision/hands"}
_WARM_UP = 20


@dataclass
class Turns:
    """A value a round: median seconds of one client, answers a second of four, processor seconds of an answer."""

    alone: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)


def main() -> None:
    arguments = _arguments()
    print_heading("benchmarks.trees", f"{PICTURE} over HTTP, task hands, from {len(arguments.trees)} work trees")
    picture = find_media(PICTURE).read_bytes()
    names = [name for name, _ in arguments.trees]
    turns = {(name, kind): Turns() for name in names for kind in PATHS}
    with ExitStack() as stack:
        services = {name: stack.enter_context(run_service(tree=Path(path).resolve())) for name, path in arguments.trees}
        order = random.Random(1)
        for number in range(-1, arguments.rounds):
            for name, kind in order.sample(list(turns), len(turns)):
                target = turns[name, kind] if number >= 0 else Turns()  # the first round is to warm up
                _take(services[name], PATHS[kind], picture, arguments, target)
    print(f"{arguments.rounds} rounds, turns of {arguments.seconds:g} s and of {arguments.requests} requests\n")
    header = ["", "", "one client ms", "answers/s", "API's CPU ms an answer", "CPU to the first", "rate to the first"]
    rows = [_row(name, kind, turns[name, kind], turns[names[0], kind]) for kind in PATHS for name in names]
    print_table(header, rows)


def _take(service: Service, path: str, picture: bytes, arguments: argparse.Namespace, turns: Turns) -> None:
    def request(client: Client) -> bytes:
        return client.prepare("POST", path, picture)

    taken = ask(service.port, request, _WARM_UP + arguments.requests, _check)
    turns.alone.append(statistics.median(taken[_WARM_UP:]))
    used_before = cpu_seconds(service.pid)
    loaded = load(service.port, request, CLIENTS, arguments.seconds, _check)
    turns.rates.append(loaded.rate)
    turns.costs.append((cpu_seconds(service.pid) - used_before) / len(loaded.answers))


def _check(answer: Answer) -> None:
    if answer.status != 200 or b'"detections":[{' not in answer.body:
        raise SystemExit(f"answered {answer.status}: {answer.body[:300]!r}")


def _row(name: str, kind: str, turns: Turns, first: Turns) -> list[str]:
    return [
        kind,
        name,
        span([1e3 * value for value in turns.alone], 2),
        span(turns.rates, 1),
        span([1e3 * value for value in turns.costs], 2),
        span(_ratios(turns.costs, first.costs), 3),
        span(_ratios(turns.rates, first.rates), 3),
    ]


def _ratios(values: Sequence[float], others: Sequence[float]) -> list[float]:
    return [value / other for value, other in zip(values, others, strict=True)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trees", nargs="+", type=_named, help="NAME=FOLDER")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="of four clients")
    parser.add_argument("--requests", type=int, default=100, help="of one client alone")
    return parser.parse_args()


def _named(text: str) -> tuple[str, str]:
    name, _, folder = text.partition("=")
    return name, folder


if __name__ == "__main__":
    main()
