"""Pictures made smaller, side by side: ballast, IPX and thumbor, with their caches off; and what a hit of ours costs.

    python -m benchmarks.images [--rounds 7] [--seconds 4] [--clients 4] [--short]

Each round loads every server for some seconds with every case, in a shuffled order; ratios are taken within a round.
Every client asks for a file of its own, so that no work is shared. CPU is that of the server and its children; PSS is
what they take before the first picture and two seconds after the last.
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.claim import Claim, print_claims
from benchmarks.client import Answer, Client
from benchmarks.load import ask, load
from benchmarks.media import find_media
from benchmarks.picture_servers import PictureServer, Size, starters
from benchmarks.server import SCRATCH, run_service
from benchmarks.table import MB, percentile, print_heading, print_table, span
from benchmarks.tree import measure_tree
from benchmarks.usage import cpu_seconds

CPU_TARGET, HIT_P99_MS, HITS_A_CORE, PSS_MB = 0.9, 3.0, 5000, 10.0
_SETTLE_SECONDS = 2.0
_HIT_BYTES = 40_000


@dataclass(frozen=True, slots=True)
class Case:
    """`source` is the name of a file without the client's number."""

    name: str
    source: str
    size: Size


CASES = (
    Case("12 MP JPEG to JPEG", "12mp.jpg", Size(800, "jpeg")),
    Case("12 MP JPEG to WebP", "12mp.jpg", Size(800, "webp")),
    Case("12 MP JPEG to AVIF", "12mp.jpg", Size(800, "avif")),
    Case("4 MP PNG to JPEG", "4mp.png", Size(800, "jpeg")),
    Case("4 MP WebP to JPEG", "4mp.webp", Size(800, "jpeg")),
)


@dataclass
class Figures:
    """Of one server and one case: a value for each round, and the bytes of an answer."""

    cpu_ms: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    answer_bytes: int = 0


def main() -> None:
    arguments = _arguments()
    print_heading("benchmarks.images", f"{arguments.clients} clients, {arguments.rounds} rounds")
    SCRATCH.mkdir(exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-images-", dir=SCRATCH))) / "files"
        _write_sources(folder, arguments.clients)
        started = starters(folder, install=not arguments.short)
        servers = [stack.enter_context(start()) for start in started]
        idle = {server.name: measure_tree(server.pid).pss_bytes for server in servers}
        figures = _measure(servers, arguments)
        time.sleep(_SETTLE_SECONDS)
        after = {server.name: measure_tree(server.pid).pss_bytes for server in servers}
    _print_cases(servers, figures)
    _print_memory(idle, after)
    _print_hits(arguments.hits)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--hits", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="only show that it runs")
    arguments = parser.parse_args()
    if arguments.short:
        arguments.rounds, arguments.seconds, arguments.hits = 1, 0.5, 500
    return arguments


def _write_sources(folder: Path, clients: int) -> None:
    """Write a copy of each source for each client: a photo made larger, with some noise of a camera."""
    from PIL import Image

    folder.mkdir()
    with Image.open(find_media("two_hands_pose.jpg")) as opened:
        photo = opened.convert("RGB")
    for name, size, options in (
        ("12mp.jpg", (4000, 3000), {"quality": 90}),
        ("4mp.png", (2400, 1700), {"compress_level": 6}),
        ("4mp.webp", (2400, 1700), {"quality": 90}),
    ):
        noise = Image.effect_noise(size, 12).convert("RGB")
        picture = Image.blend(photo.resize(size, Image.Resampling.BICUBIC), noise, 0.06)
        for number in range(clients):
            picture.save(folder / _file_name(name, number), **options)  # type: ignore[arg-type]  # of its format


def _file_name(source: str, number: int) -> str:
    stem, _, extension = source.partition(".")
    return f"{stem}-{number}.{extension}"


def _measure(servers: list[PictureServer], arguments: argparse.Namespace) -> dict[tuple[str, str], Figures]:
    figures = {(server.name, case.name): Figures() for server in servers for case in CASES}
    order = random.Random(arguments.seed)
    for server, case in itertools.product(servers, CASES):  # warm: children are there, files are in the page cache
        figures[server.name, case.name].answer_bytes = _ask_once(server, case, arguments.clients)
    for _ in range(arguments.rounds):
        pairs = [(server, case) for server in servers for case in CASES]
        for server, case in order.sample(pairs, len(pairs)):
            before = server.cpu_seconds()
            result = load(
                server.port, _requests(server, case, arguments.clients), arguments.clients, arguments.seconds, _check
            )
            found = figures[server.name, case.name]
            found.cpu_ms.append((server.cpu_seconds() - before) / len(result.answers) * 1000)
            found.rate.append(result.rate)
    return figures


def _requests(server: PictureServer, case: Case, clients: int) -> Callable[[Client], bytes]:
    """Return what makes the request of each client: for its own file."""
    numbers = itertools.cycle(range(clients))
    return lambda client: client.prepare("GET", server.path_of(_file_name(case.source, next(numbers)), case.size))


def _ask_once(server: PictureServer, case: Case, clients: int) -> int:
    request, size_bytes = _requests(server, case, clients), 0
    for _ in range(clients):
        with Client("127.0.0.1", server.port) as client:
            answer = client.exchange(request(client))
            _check(answer)
            size_bytes = len(answer.body)
    return size_bytes


def _check(answer: Answer) -> None:
    if answer.status != 200:
        raise SystemExit(f"a server answered {answer.status}: {answer.body[:300]!r}")


def _print_cases(servers: list[PictureServer], figures: dict[tuple[str, str], Figures]) -> None:
    rows = []
    for case in CASES:
        for server in servers:
            found = figures[server.name, case.name]
            row = [
                case.name,
                server.name,
                span(found.cpu_ms, 1),
                span(found.rate, 1),
                f"{found.answer_bytes / 1e3:.0f}",
            ]
            rows.append(row)
    print_table(["case", "server", "CPU ms a picture", "pictures/s", "kB of the answer"], rows)
    print()
    ours, *peers = servers
    if peers:
        print_claims([claim for case in CASES for claim in _claims(ours, peers, case, figures)])
        print()


def _claims(
    ours: PictureServer, peers: list[PictureServer], case: Case, figures: dict[tuple[str, str], Figures]
) -> Iterator[Claim]:
    own = figures[ours.name, case.name]
    others = [figures[peer.name, case.name] for peer in peers]
    least_cpu = [min(values) for values in zip(*(other.cpu_ms for other in others), strict=True)]
    best_rate = [max(values) for values in zip(*(other.rate for other in others), strict=True)]
    cpu = [mine / least for mine, least in zip(own.cpu_ms, least_cpu, strict=True) if least]
    rate = [mine / best for mine, best in zip(own.rate, best_rate, strict=True)]
    yield Claim(f"{case.name}: CPU over the better peer's", cpu, "", CPU_TARGET)
    yield Claim(f"{case.name}: throughput over the better peer's", rate, "", 1.0, at_least=True)


def _print_memory(idle: dict[str, int], after: dict[str, int]) -> None:
    rows = [
        [name, f"{idle[name] / MB:.1f}", f"{after[name] / MB:.1f}", f"{(after[name] - idle[name]) / MB:+.1f}"]
        for name in idle
    ]
    print_table(["server", "PSS MB before", "2 s after", "difference"], rows)
    print()
    grown = (after["ballast"] - idle["ballast"]) / MB
    print_claims([Claim("PSS of ballast 2 s after, over idle", [grown], "MB", PSS_MB, digits=1)])
    print()


def _print_hits(count: int) -> None:
    """Ask for one thumbnail from the cache again and again, over one connection and over four."""
    with _thumbnail() as (pid, port, path):
        before = cpu_seconds(pid)
        alone = ask(port, lambda client: client.prepare("GET", path), count, _check)
        cost = (cpu_seconds(pid) - before) / count
        together = load(port, lambda client: client.prepare("GET", path), 4, 2.0, _check)
    print_claims(
        [
            Claim("a hit, p99 of one client", [percentile(alone, 99) * 1000], "ms", HIT_P99_MS),
            Claim("a hit, p99 of four clients", [percentile(together.answers, 99) * 1000], "ms", HIT_P99_MS),
            Claim("hits a second and core, by CPU", [1 / cost], "/s", HITS_A_CORE, at_least=True, digits=0),
        ]
    )


@contextmanager
def _thumbnail() -> Iterator[tuple[int, int, str]]:
    """Give the process, the port and the path of a derived picture of about 40 kB, which is in the cache."""
    with run_service() as service, Client("127.0.0.1", service.port) as client:
        photo = find_media("two_hands_pose.jpg").read_bytes()
        media_id = client.post("/v1/media?inline=never", photo).json()["id"]
        path, least = "", None
        for quality in (70, 80, 88, 93, 96):
            candidate = f"/v1/media/{media_id}/image?width=480&format=jpeg&quality={quality}"
            distance = abs(len(client.get(candidate).body) - _HIT_BYTES)
            if least is None or distance < least:
                path, least = candidate, distance
        size_bytes = len(client.get(path).body)
        print(f"a thumbnail of {size_bytes / 1000:.0f} kB from the cache\n")
        yield service.pid, service.port, path


if __name__ == "__main__":
    main()
