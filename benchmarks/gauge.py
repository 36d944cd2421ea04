"""Cost of a memory sample: microseconds, share of a core at the fast period, and memory kept.

    python -m benchmarks.gauge [--samples 4000] [--seconds 5]

For 1, 3 and 8 processes it takes samples back to back (microseconds of CPU for one; also one with detail), then runs
at the fast period of the settings and takes the CPU time spent over the time passed. The growth is RSS after all
samples less RSS before the gauge was imported. At last the same by psutil, with what importing it takes here.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.memory.gauge import MemoryGauge

_CHILD = "import asyncio, json; held = b'x' * (20 << 20); print(flush=True); input()"


def main() -> None:
    arguments = _arguments()
    before = _rss_kib()
    from app.memory.gauge import MemoryGauge  # here, so that what importing it takes is measured
    from app.memory.limit import find_limit

    limit = find_limit(None)
    print(f"limit {limit.limit_bytes >> 20} MiB from {limit.source}; {_count_of_all()} processes on the machine")
    _measure(lambda: MemoryGauge(limit), arguments)
    print(f"memory: +{_rss_kib() - before} KiB after all samples, import included\n\nby psutil")
    before, started = _rss_kib(), time.perf_counter()
    from app.memory.psutil_tree import PsutilTree  # as above

    print(f"import: +{_rss_kib() - before} KiB, {(time.perf_counter() - started) * 1e3:.0f} ms")
    _measure(lambda: MemoryGauge(limit, portable=PsutilTree(os.getpid())), arguments)


def _measure(open_gauge: Callable[[], MemoryGauge], arguments: argparse.Namespace) -> None:
    for count in (1, 3, 8):
        with _children(count - 1):
            gauge = open_gauge()
            found = len(gauge.sample(detail=True).processes)
            plain = _cost(gauge, arguments.samples, detail=False)
            detailed = _cost(gauge, max(1, arguments.samples // 50), detail=True)
            share = _share_of_core(gauge, 0.25, arguments.seconds)
            gauge.close()
        print(
            f"{found} processes: {plain * 1e6:6.1f} us a sample, {detailed * 1e6:7.1f} us with detail, "
            f"{share:.3%} of a core at 4 samples a second"
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=4000)
    parser.add_argument("--seconds", type=float, default=5.0)
    return parser.parse_args()


def _cost(gauge: MemoryGauge, samples: int, *, detail: bool) -> float:
    started = time.process_time()
    for _ in range(samples):
        gauge.sample(detail=detail)
    return (time.process_time() - started) / samples


def _share_of_core(gauge: MemoryGauge, period_seconds: float, seconds: float) -> float:
    started, cpu = time.monotonic(), time.process_time()
    while time.monotonic() - started < seconds:
        gauge.sample()
        time.sleep(period_seconds)
    return (time.process_time() - cpu) / (time.monotonic() - started)


@contextmanager
def _children(count: int) -> Iterator[None]:
    command = [sys.executable, "-c", _CHILD]
    children = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for child in children:
            assert child.stdout is not None
            child.stdout.readline()
        yield
    finally:
        for child in children:
            child.communicate(b"\n")


def _rss_kib() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def _count_of_all() -> int:
    return sum(1 for entry in Path("/proc").iterdir() if entry.name.isdigit())


if __name__ == "__main__":
    main()
