"""Uploads side by side: Ballast (form and raw body) against a bare loop, FastAPI's UploadFile, and express with multer.

    python -m benchmarks.upload [--megabytes 1024] [--rounds 6] [--sizes 10 1024 4096]
                                [--against CHECKOUT] [--short]

Each round sends one file to every server in a shuffled order; ratios are taken within a round, because the speed of a
disk varies more between rounds than between servers. CPU is of the whole server process, growth is the highest resident
memory during an upload above that before it. After the comparison come files of several sizes (`--sizes`, MiB), with
/health/live asked all the while.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from app.domain.units import MIB
from benchmarks.health import watched
from benchmarks.peer import PEERS, multer_modules, run_script
from benchmarks.server import REPOSITORY, SCRATCH, add_against, run_service
from benchmarks.table import MB, percentile, print_heading, print_table, span
from benchmarks.transfer import delete, send_file
from benchmarks.usage import cpu_seconds, peak_bytes, reset_peak

RAW = "raw socket to file"
BARE_BODY, BARE_FORM = "raw body, no digest, no fsync", "form, no digest, no fsync"
BODY, FORM = "raw body, as shipped", "form, as shipped"
OTHER_BODY, OTHER_FORM = "raw body, the other checkout", "form, the other checkout"
UPLOAD_FILE, MULTER = "FastAPI UploadFile + copy", "express + multer"

_BARE = {"BALLAST_STORAGE__FSYNC": "false", "BALLAST_UPLOAD__DIGEST": "none"}
_OURS = "/v1/media?inline=never"
_WARM_MEBIBYTES = 8


@dataclass(frozen=True, slots=True)
class Result:
    seconds: float
    cpu_seconds: float
    growth_bytes: int


@dataclass
class Contender:
    """One server and the form in which it is sent the file; `results` are its rounds."""

    name: str
    pid: int
    port: int
    path: str
    is_form: bool
    results: list[Result] = field(default_factory=list)

    def upload(self, mebibytes: int) -> Result:
        """Send one file, measure, and delete it again outside of the time that is measured."""
        before_bytes, before_cpu = reset_peak(self.pid), cpu_seconds(self.pid)
        began = time.perf_counter()
        status, answer = send_file(self.port, self.path, mebibytes, is_form=self.is_form)
        seconds = time.perf_counter() - began
        result = Result(seconds, cpu_seconds(self.pid) - before_cpu, peak_bytes(self.pid) - before_bytes)
        if status != 201:
            raise SystemExit(f"{self.name} answered {status}: {answer[:300]!r}")
        if self.path == _OURS:
            item = json.loads(answer)
            assert item["sizeBytes"] == mebibytes * MIB
            delete(self.port, f"/v1/media/{item['id']}")
        return result


@dataclass(frozen=True, slots=True)
class Ratio:
    """A target: how one contender stands to another in each round, and the least or the most that may be."""

    name: str
    own: str
    other: str
    of: Callable[[Result, Result], float]
    target: float
    at_least: bool

    def row(self, contenders: Sequence[Contender]) -> list[str] | None:
        """Compare them; None where one of them was left out."""
        by_name = {contender.name: contender.results for contender in contenders}
        if self.other not in by_name:
            return None
        values = [self.of(own, other) for own, other in zip(by_name[self.own], by_name[self.other], strict=True)]
        median = statistics.median(values)
        met = median >= self.target if self.at_least else median <= self.target
        sign = ">=" if self.at_least else "<="
        return [self.name, f"{span(values, 2)}", f"{sign} {self.target:g}", "met" if met else "MISSED"]


def _speed(own: Result, other: Result) -> float:
    return other.seconds / own.seconds


def _cpu(own: Result, other: Result) -> float:
    return own.cpu_seconds / other.cpu_seconds


TARGETS = (
    Ratio("speed: form, bare / raw loop", BARE_FORM, RAW, _speed, 0.60, True),
    Ratio("speed: raw body, bare / raw loop", BARE_BODY, RAW, _speed, 0.75, True),
    Ratio("CPU: form, bare / raw loop", BARE_FORM, RAW, _cpu, 1.6, False),
    Ratio("speed: form, as shipped / raw loop", FORM, RAW, _speed, 0.45, True),
    Ratio("CPU: form, as shipped / raw loop", FORM, RAW, _cpu, 2.2, False),
    Ratio("speed: form, bare / UploadFile", BARE_FORM, UPLOAD_FILE, _speed, 2.0, True),
    Ratio("speed: form, bare / multer", BARE_FORM, MULTER, _speed, 1.1, True),
    Ratio("speed: form, as shipped / the other checkout", FORM, OTHER_FORM, _speed, 1.0, True),
    Ratio("speed: raw body, as shipped / the other checkout", BODY, OTHER_BODY, _speed, 1.0, True),
    Ratio("CPU: form, as shipped / the other checkout", FORM, OTHER_FORM, _cpu, 1.0, False),
    Ratio("CPU: raw body, as shipped / the other checkout", BODY, OTHER_BODY, _cpu, 1.0, False),
)


def main() -> None:
    arguments = _arguments()
    print_heading("benchmarks.upload", f"One file of {arguments.megabytes} MiB, {arguments.rounds} rounds, one client")
    SCRATCH.mkdir(exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-upload-", dir=SCRATCH)))
        contenders = list(_start_all(stack, folder, arguments.against))
        _run_rounds(contenders, arguments.megabytes, arguments.rounds, random.Random(arguments.seed))
    _print_contenders(contenders, arguments.megabytes)
    rows = (target.row(contenders) for target in TARGETS)
    print_table(["ratio", "median [min..max]", "target", "verdict"], [row for row in rows if row is not None])
    print(flush=True)
    _print_sizes(arguments.sizes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 1024, 4096], help="MiB, for growth and /health")
    parser.add_argument("--seed", type=int, default=1)
    add_against(parser)
    parser.add_argument("--short", action="store_true", help="only show that it runs")
    arguments = parser.parse_args()
    if arguments.short:
        arguments.megabytes, arguments.rounds, arguments.sizes = 64, 1, [10, 64]
    return arguments


def _start_all(stack: ExitStack, folder: Path, against: Path | None) -> Iterator[Contender]:
    raw = stack.enter_context(run_script([sys.executable, str(PEERS / "raw_socket.py")], folder / "raw"))
    yield Contender(RAW, raw.pid, raw.port, "/", False)
    services: list[tuple[Path, dict[str, str], str, str]] = [
        (REPOSITORY, _BARE, BARE_BODY, BARE_FORM),
        (REPOSITORY, {}, BODY, FORM),
    ]
    if against is not None:
        services.append((against, {}, OTHER_BODY, OTHER_FORM))
    for tree, settings, body, form in services:
        service = stack.enter_context(run_service({"BALLAST_LOG__LEVEL": "info", **settings}, tree))
        yield Contender(body, service.pid, service.port, _OURS, False)
        yield Contender(form, service.pid, service.port, _OURS, True)
    peer = stack.enter_context(run_script([sys.executable, str(PEERS / "upload_file.py")], folder / "peer"))
    yield Contender(UPLOAD_FILE, peer.pid, peer.port, "/upload", True)
    if (modules := multer_modules()) is not None:
        multer = stack.enter_context(run_script(["node", str(PEERS / "multer.cjs"), str(modules)], folder / "multer"))
        yield Contender(MULTER, multer.pid, multer.port, "/upload", True)


def _run_rounds(contenders: list[Contender], mebibytes: int, rounds: int, order: random.Random) -> None:
    for contender in contenders:  # the first request pays for imports and for new pages
        contender.upload(_WARM_MEBIBYTES)
    for number in range(rounds):
        for contender in order.sample(contenders, len(contenders)):
            contender.results.append(contender.upload(mebibytes))
        print(f"round {number + 1} of {rounds}", file=sys.stderr)


def _print_contenders(contenders: list[Contender], mebibytes: int) -> None:
    size_bytes = mebibytes * MIB
    raw = contenders[0].results
    rows = []
    for contender in contenders:
        results = contender.results
        rows.append(
            [
                contender.name,
                f"{statistics.median(size_bytes / MB / result.seconds for result in results):.0f}",
                span([_speed(own, other) for own, other in zip(results, raw, strict=True)], 2),
                f"{statistics.median(result.cpu_seconds / size_bytes * 1e9 for result in results):.2f}",
                span([_cpu(own, other) for own, other in zip(results, raw, strict=True)], 2),
                f"{max(result.growth_bytes for result in results) / MB:.1f}",
            ]
        )
    print_table(["server", "MB/s", "of raw", "CPU s/GB", "of raw", "growth MB, worst"], rows)
    print(flush=True)


def _print_sizes(sizes: Sequence[int]) -> None:
    """Measure growth, and how /health/live is answered, while files of several sizes come in one after the other."""
    rows = []
    with run_service() as service:
        contender = Contender(FORM, service.pid, service.port, _OURS, True)
        contender.upload(_WARM_MEBIBYTES)
        for mebibytes in sizes:
            with watched(service.port) as health:
                result = contender.upload(mebibytes)
            p99, worst = percentile(health.seconds, 99) * 1000, max(health.seconds) * 1000
            met = result.growth_bytes <= 8 * MB and p99 <= 10 and worst <= 50
            numbers = [f"{result.growth_bytes / MB:.1f}", f"{p99:.1f}", f"{worst:.1f}", str(len(health.seconds))]
            rows.append([f"{mebibytes} MiB by form, as shipped", *numbers, "met" if met else "MISSED"])
    header = ["upload", "growth MB (<= 8)", "/health/live p99 ms (<= 10)", "max ms (<= 50)", "answers", "verdict"]
    print_table(header, rows)


if __name__ == "__main__":
    main()
