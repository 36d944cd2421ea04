"""This checkout against another one, in the same rounds: upload, download, vision and a round trip, in one table.

    python -m benchmarks.ratios [--against CHECKOUT] [--rounds 10] [--megabytes 256] [--seconds 3] [--short]

Each round has every measure from both services, one right after the other, in another order every time; a ratio is
made within a round, and above 1 this checkout is the faster. Without `--against` it is this checkout twice: what the
machine's noise looks like.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from app.domain.units import MIB
from benchmarks.client import Answer, Client
from benchmarks.load import ask, load
from benchmarks.media import crop_jpeg, find_media
from benchmarks.server import REPOSITORY, add_against, run_service
from benchmarks.table import MB, print_heading, print_table, span
from benchmarks.transfer import delete, fetch, send_file
from benchmarks.usage import cpu_seconds

TARGET = 0.97
"""None may be worse by more than 3 %."""

CLIENTS = 4
_UPLOAD = "/v1/media?inline=never"
_HANDS = "/v1/vision/hands?cache=false"
_WARM_UP = 10


@dataclass(slots=True)
class Side:
    """One of the two services, what is stored in it, and what was measured: a value a round, higher is better."""

    pid: int
    port: int
    stored: str = ""
    values: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)

    def take(self, name: str, work: Callable[[Side], tuple[float, float]]) -> None:
        """Do the work, which returns its value and how many units (answers, GB) it was, and keep it."""
        before = cpu_seconds(self.pid)
        value, units = work(self)
        self.values.setdefault(name, []).append(value)
        self.cpu.setdefault(name, []).append((cpu_seconds(self.pid) - before) / units)


def main() -> None:
    arguments = _arguments()
    print_heading("benchmarks.ratios", f"This checkout against {arguments.against or 'itself'}")
    works = _works(arguments)
    with ExitStack() as stack:
        trees = [REPOSITORY, arguments.against or REPOSITORY]
        services = [stack.enter_context(run_service(tree=tree)) for tree in trees]
        sides = [Side(service.pid, service.port) for service in services]
        for side in sides:
            side.stored = _upload(side, arguments.megabytes, is_form=False)
        _take_turns(sides, works, arguments.rounds)
        for side in sides:
            delete(side.port, f"/v1/media/{side.stored}")
    _print(sides, list(works))


def _works(arguments: argparse.Namespace) -> dict[str, Callable[[Side], tuple[float, float]]]:
    photo, small = find_media("thumb_up.jpg").read_bytes(), crop_jpeg("thumb_up.jpg", 640, 480)
    return {
        "upload by form, MB/s": partial(_timed_upload, mebibytes=arguments.megabytes, is_form=True),
        "upload as raw body, MB/s": partial(_timed_upload, mebibytes=arguments.megabytes, is_form=False),
        "download, MB/s": partial(_download, mebibytes=arguments.megabytes),
        f"vision, {CLIENTS} clients, photos/s": partial(_load, picture=photo, seconds=arguments.seconds),
        "round trip of a photo, 1/s": partial(_ask, path=_HANDS, picture=small, count=arguments.requests),
        "round trip of /health/live, 1/s": partial(_ask, path="/health/live", picture=b"", count=arguments.requests),
    }


def _take_turns(sides: Sequence[Side], works: dict[str, Callable[[Side], tuple[float, float]]], rounds: int) -> None:
    order = random.Random(1)
    for number in range(-1, rounds):
        for name, work in order.sample(list(works.items()), len(works)):
            for side in order.sample(sides, len(sides)):
                if number < 0:
                    work(side)  # the first round is to warm up
                else:
                    side.take(name, work)


def _timed_upload(side: Side, mebibytes: int, *, is_form: bool) -> tuple[float, float]:
    began = time.perf_counter()
    media_id = _upload(side, mebibytes, is_form=is_form)
    seconds = time.perf_counter() - began
    delete(side.port, f"/v1/media/{media_id}")
    return mebibytes * MIB / MB / seconds, mebibytes * MIB / 1e9


def _upload(side: Side, mebibytes: int, *, is_form: bool) -> str:
    status, answer = send_file(side.port, _UPLOAD, mebibytes, is_form=is_form)
    if status != 201:
        raise SystemExit(f"answered {status}: {answer[:300]!r}")
    return str(json.loads(answer)["id"])


def _download(side: Side, mebibytes: int) -> tuple[float, float]:
    began = time.perf_counter()
    received = fetch(side.port, f"/v1/media/{side.stored}/content")
    seconds = time.perf_counter() - began
    assert (received.status, received.length_bytes) == (200, mebibytes * MIB)
    return mebibytes * MIB / MB / seconds, mebibytes * MIB / 1e9


def _load(side: Side, picture: bytes, seconds: float) -> tuple[float, float]:
    loaded = load(side.port, partial(_request, path=_HANDS, picture=picture), CLIENTS, seconds, _check)
    return loaded.rate, len(loaded.answers)


def _ask(side: Side, path: str, picture: bytes, count: int) -> tuple[float, float]:
    taken = ask(side.port, partial(_request, path=path, picture=picture), _WARM_UP + count, _check)
    return 1 / statistics.median(taken[_WARM_UP:]), len(taken)


def _request(client: Client, path: str, picture: bytes) -> bytes:
    return client.prepare("POST" if picture else "GET", path, picture)


def _check(answer: Answer) -> None:
    if answer.status != 200:
        raise SystemExit(f"answered {answer.status}: {answer.body[:300]!r}")


def _print(sides: Sequence[Side], names: Sequence[str]) -> None:
    new, before = sides
    rows = []
    for name in names:
        ratios = [own / other for own, other in zip(new.values[name], before.values[name], strict=True)]
        costs = [own / other for own, other in zip(new.cpu[name], before.cpu[name], strict=True) if other]
        medians = [f"{statistics.median(side.values[name]):.1f}" for side in sides]
        verdict = "met" if statistics.median(ratios) >= TARGET else "MISSED"
        rows.append([name, *medians, span(ratios, 3), span(costs, 2) if costs else "", f">= {TARGET}", verdict])
    print_table(
        ["measured", "this checkout", "the other", "ratio, median [min..max]", "API CPU ratio", "target", "verdict"],
        rows,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=3.0, help="of a turn of four clients")
    parser.add_argument("--requests", type=int, default=60, help="of a turn of one client")
    add_against(parser)
    parser.add_argument("--short", action="store_true", help="only show that it runs")
    arguments = parser.parse_args()
    if arguments.short:
        arguments.rounds, arguments.megabytes, arguments.seconds, arguments.requests = 2, 16, 0.5, 10
    return arguments


if __name__ == "__main__":
    main()
