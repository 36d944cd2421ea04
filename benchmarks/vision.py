"""The hands task over HTTP beside bare processes, and beside what a user would write or install instead.

    python -m benchmarks.vision [--rounds 7] [--seconds 3] [--requests 40] [--against CHECKOUT] [--short]

The picture is `thumb_up.jpg`, the settings are the defaults, nothing is cached. First each server alone is loaded and
its memory measured, three times (PSS of its processes: alone, so that no other shares its libraries). Then all run, and
each round has every one of them in turn, in another order every time: four keep-alive clients for some seconds, with a
probe of its health 20 times a second beside them; one client alone; and the bare loop, decode and detect, in one
process a core (which share nothing: the most that the machine gives), and in one alone. A ratio is made from the two
turns of one round.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from benchmarks.claim import Claim, print_claims
from benchmarks.client import Answer
from benchmarks.contenders import Contender, Running, contenders, run
from benchmarks.load import Load, ask, load
from benchmarks.media import find_media
from benchmarks.raw_loop import RawLoop, rate
from benchmarks.server import REPOSITORY, add_against
from benchmarks.table import MB, percentile, print_heading, print_table
from benchmarks.tree import measure_tree

CLIENTS = 4
PICTURE = "thumb_up.jpg"
_WARM_UP = 10
_WEIGHINGS = 3


@dataclass
class Turns:
    """What one server was measured to do, a value a round."""

    weights: list[int] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)

    @property
    def pss_bytes(self) -> float:
        return statistics.median(self.weights)

    @property
    def rates(self) -> list[float]:
        return [one.rate for one in self.loads]

    @property
    def p99(self) -> float:
        return percentile((seconds for one in self.loads for seconds in one.answers), 99)

    @property
    def probe_p99(self) -> float:
        return percentile((seconds for one in self.loads for seconds in one.probes), 99)


@dataclass
class Raw:
    """The bare loop, a value a round: pictures a second of all processes, and the median seconds of one alone."""

    rates: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)


def main() -> None:
    arguments = _arguments()
    print_heading("benchmarks.vision", f"{PICTURE} over HTTP, task hands, {CLIENTS} clients")
    rounds, seconds, requests = (
        (1, 0.5, 5) if arguments.short else (arguments.rounds, arguments.seconds, arguments.requests)
    )
    cores = len(os.sched_getaffinity(0))
    bundle = REPOSITORY / os.environ.get("BALLAST_MODELS__DIR", "models") / "hand_landmarker.task"
    found = contenders(bundle, cores, install=not arguments.short, against=arguments.against)
    picture = find_media(PICTURE)
    turns = {contender.name: Turns() for contender in found}
    for contender in found:
        weighings = 1 if arguments.short else _WEIGHINGS
        turns[contender.name].weights = [_weigh(contender, picture.read_bytes(), seconds) for _ in range(weighings)]
    raw = Raw()
    with ExitStack() as stack:
        running = [stack.enter_context(run(contender)) for contender in found]
        loops = [stack.enter_context(RawLoop("hands", picture)) for _ in range(cores)]
        works: list[Callable[[], None]] = [
            lambda: raw.rates.append(rate(loops, seconds)),
            lambda: raw.alone.append(statistics.median(loops[0].run(requests))),
        ]
        for one in running:
            _warm_up(one, picture.read_bytes())
            target = turns[one.contender.name]
            works.append(partial(_load, one, picture.read_bytes(), seconds, target))
            works.append(partial(_ask, one, picture.read_bytes(), requests, target))
        _take_turns(works, rounds)
    print(f"{rounds} rounds, turns of {seconds:g} s and of {requests} requests; medians over the rounds\n")
    _print_contenders(turns, raw)
    print()
    print_claims(_claims(turns, raw))


def _take_turns(works: list[Callable[[], None]], rounds: int) -> None:
    order = random.Random(1)
    for _ in range(rounds):
        for work in order.sample(works, len(works)):
            work()


def _weigh(contender: Contender, picture: bytes, seconds: float) -> int:
    """Return the memory of a server that runs alone, after some seconds of load."""
    with run(contender) as running:
        load(running.port, partial(running.request, picture=picture), CLIENTS, seconds, check)
        return measure_tree(running.pid).pss_bytes


def _warm_up(running: Running, picture: bytes) -> None:
    with running.awake():
        load(running.port, partial(running.request, picture=picture), CLIENTS, 1.0, check)


def _load(running: Running, picture: bytes, seconds: float, turns: Turns) -> None:
    request = partial(running.request, picture=picture)
    with running.awake():
        ask(running.port, request, _WARM_UP, check)
        turns.loads.append(load(running.port, request, CLIENTS, seconds, check, running.contender.probe))


def _ask(running: Running, picture: bytes, requests: int, turns: Turns) -> None:
    with running.awake():
        taken = ask(running.port, partial(running.request, picture=picture), _WARM_UP + requests, check)
    turns.alone.append(statistics.median(taken[_WARM_UP:]))


def check(answer: Answer) -> None:
    if answer.status != 200 or len(answer.json()["detections"]) != 1:
        raise SystemExit(f"answered {answer.status}: {answer.body[:300]!r}")


def _print_contenders(turns: dict[str, Turns], raw: Raw) -> None:
    header = [
        "",
        "pictures/s",
        "of the bare ones",
        "p99 ms",
        "one client ms",
        "over the bare one ms",
        "health p99 ms",
        "PSS MB",
    ]
    median = statistics.median
    rows = [["bare processes", f"{median(raw.rates):.1f}", "1.00", "", f"{1e3 * median(raw.alone):.1f}", "", "", ""]]
    for name, one in turns.items():
        rows.append(
            [
                name,
                f"{median(one.rates):.1f}",
                f"{median(_ratios(one.rates, raw.rates)):.2f}",
                f"{1e3 * one.p99:.1f}",
                f"{1e3 * median(one.alone):.1f}",
                f"{median(_added_ms(one, raw)):.1f}",
                f"{1e3 * one.probe_p99:.1f}",
                f"{one.pss_bytes / MB:.0f}",
            ]
        )
    print_table(header, rows)


def _claims(turns: dict[str, Turns], raw: Raw) -> list[Claim]:
    ours, *peers = turns.values()
    _, *names = turns
    claims = [
        Claim("throughput over that of the bare processes", _ratios(ours.rates, raw.rates), "", 0.95, at_least=True),
        Claim("one client's latency over the bare one", _added_ms(ours, raw), "ms", 2.0),
        Claim("memory (PSS) of all our processes", [weight / MB for weight in ours.weights], "MB", 200, digits=0),
    ]
    for name, peer in zip(names, peers, strict=True):
        claims += [
            Claim(f"throughput over {name}", _ratios(ours.rates, peer.rates), "", 1.0, at_least=True),
            Claim(f"p99 over {name}", [ours.p99 / peer.p99], "", 1.0),
            Claim(f"health p99 over {name}", [ours.probe_p99 / peer.probe_p99], "", 1.0),
            Claim(f"memory over {name}", [ours.pss_bytes / peer.pss_bytes], "", 1.0),
        ]
    return claims


def _ratios(values: Sequence[float], others: Sequence[float]) -> list[float]:
    return [value / other for value, other in zip(values, others, strict=True)]


def _added_ms(turns: Turns, raw: Raw) -> list[float]:
    return [1e3 * (value - other) for value, other in zip(turns.alone, raw.alone, strict=True)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one turn under load")
    parser.add_argument("--requests", type=int, default=40, help="of one turn of a client alone")
    add_against(parser)
    parser.add_argument("--short", action="store_true", help="one round of half a second; LitServe only if installed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
