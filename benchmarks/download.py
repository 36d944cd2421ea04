"""Downloads side by side: a stored file from Ballast and the same file from nginx, over one connection, from the cache.

    python -m benchmarks.download [--megabytes 1024] [--rounds 10] [--short]

Each round fetches the file once from both, in a shuffled order; the ratio is taken within a round.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from app.domain.units import MIB
from benchmarks.peer import run_nginx
from benchmarks.server import SCRATCH, run_service
from benchmarks.table import MB, print_heading, print_table, span
from benchmarks.transfer import fetch, send_file
from benchmarks.usage import cpu_seconds, peak_bytes, reset_peak

TARGET = 0.8
_NAME = "file.mp4"


@dataclass
class Contender:
    """One server, and what its rounds took."""

    name: str
    pid: int
    port: int
    path: str
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    growth_bytes: list[int] = field(default_factory=list)

    def measure(self, size_bytes: int) -> None:
        """Fetch the file once."""
        before_bytes, before_cpu = reset_peak(self.pid), cpu_seconds(self.pid)
        began = time.perf_counter()
        received = fetch(self.port, self.path)
        self.seconds.append(time.perf_counter() - began)
        self.cpu_seconds.append(cpu_seconds(self.pid) - before_cpu)
        self.growth_bytes.append(peak_bytes(self.pid) - before_bytes)
        assert (received.status, received.length_bytes) == (200, size_bytes)

    def digest(self) -> str:
        """Fetch the file and return its SHA-256."""
        sha256 = hashlib.sha256()
        fetch(self.port, self.path, sha256.update)
        return sha256.hexdigest()


def main() -> None:
    arguments = _arguments()
    print_heading("benchmarks.download", f"One file of {arguments.megabytes} MiB, {arguments.rounds} rounds")
    SCRATCH.mkdir(exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-download-", dir=SCRATCH)))
        ours, nginx = _start_both(stack, folder, arguments.megabytes)
        if ours.digest() != nginx.digest():  # and the page cache is warm
            raise SystemExit("the two files are not the same")
        order = random.Random(arguments.seed)
        for _ in range(arguments.rounds):
            for contender in order.sample([ours, nginx], 2):
                contender.measure(arguments.megabytes * MIB)
    _print(ours, nginx, arguments.megabytes * MIB)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="only show that it runs")
    arguments = parser.parse_args()
    if arguments.short:
        arguments.megabytes, arguments.rounds = 64, 2
    return arguments


def _start_both(stack: ExitStack, folder: Path, mebibytes: int) -> tuple[Contender, Contender]:
    service = stack.enter_context(run_service())
    status, answer = send_file(service.port, "/v1/media?inline=never", mebibytes, is_form=False)
    assert status == 201, answer
    path = f"/v1/media/{json.loads(answer)['id']}/content"
    nginx = stack.enter_context(run_nginx(folder / "nginx"))
    with (folder / "nginx" / "files" / _NAME).open("wb") as file:
        fetch(service.port, path, file.write)
    return Contender("ballast", service.pid, service.port, path), Contender("nginx", nginx.pid, nginx.port, f"/{_NAME}")


def _print(ours: Contender, nginx: Contender, size_bytes: int) -> None:
    rows = [
        [
            contender.name,
            f"{statistics.median(size_bytes / MB / seconds for seconds in contender.seconds):.0f}",
            f"{statistics.median(seconds / size_bytes * 1e9 for seconds in contender.cpu_seconds):.2f}",
            f"{max(contender.growth_bytes) / MB:.1f}",
        ]
        for contender in (ours, nginx)
    ]
    print_table(["server", "MB/s", "CPU s/GB", "growth MB, worst"], rows)
    print()
    ratios = [other / own for own, other in zip(ours.seconds, nginx.seconds, strict=True)]
    verdict = "met" if statistics.median(ratios) >= TARGET else "MISSED"
    print_table(
        ["ratio", "median [min..max]", "target", "verdict"],
        [["speed: ballast / nginx", span(ratios, 2), f">= {TARGET}", verdict]],
    )


if __name__ == "__main__":
    main()
