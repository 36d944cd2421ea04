"""A file of 49 MiB as base64 in a JSON answer: what the service grows by, and how long its event loop stalls.

    python -m benchmarks.inline [--rounds 10] [--short]

The stall is the longest answer of /health/live meanwhile, asked every 2 ms from another process; the same with an idle
service beside it shows what of that is the machine's.
"""

from __future__ import annotations

import argparse
import base64
import json
import time

from app.domain.units import MIB
from benchmarks.health import watched
from benchmarks.server import Service, run_service
from benchmarks.table import MB, Measure, print_heading, print_measures
from benchmarks.transfer import BLOCK, HEAD, fetch, send_file
from benchmarks.usage import peak_bytes, reset_peak

MEBIBYTES = 49
_PAUSE_SECONDS = 1.0  # collecting and trimming follow an answer, and belong to it


def main() -> None:
    arguments = _arguments()
    print_heading("benchmarks.inline", f"{MEBIBYTES} MiB as base64 JSON, {arguments.rounds} rounds")
    with run_service() as service:
        status, answer = send_file(service.port, "/v1/media?inline=never", MEBIBYTES, is_form=False)
        assert status == 201, answer
        path = f"/v1/media/{json.loads(answer)['id']}?inline=auto"
        before_bytes = reset_peak(service.pid)
        _check(service, path)
        first_growth = (peak_bytes(service.pid) - before_bytes) / MB
        measures = _measure(service, path, arguments.rounds)
    print_measures([Measure("growth of the service, first answer", [first_growth], "MB", 8.0), *measures])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--short", action="store_true", help="only show that it runs")
    arguments = parser.parse_args()
    if arguments.short:
        arguments.rounds = 2
    return arguments


def _check(service: Service, path: str) -> None:
    """See once that the answer is what was sent."""
    body = bytearray()
    fetch(service.port, path, body.extend)
    sent = HEAD + BLOCK[len(HEAD) :] + BLOCK * (MEBIBYTES - 1)
    if base64.b64decode(json.loads(body)["buffer"]) != sent:
        raise SystemExit("the buffer is not the file")


def _measure(service: Service, path: str, rounds: int) -> list[Measure]:
    seconds, growths, stalls, idle_stalls = [], [], [], []
    for _ in range(rounds):
        with watched(service.port) as health:
            time.sleep(_PAUSE_SECONDS)
        idle_stalls.append(max(health.seconds) * 1000)
        before_bytes = reset_peak(service.pid)
        with watched(service.port) as health:
            began = time.perf_counter()
            fetch(service.port, path)
            seconds.append(time.perf_counter() - began)
            time.sleep(_PAUSE_SECONDS)
        stalls.append(max(health.seconds) * 1000)
        growths.append((peak_bytes(service.pid) - before_bytes) / MB)
    return [
        Measure("growth, every other answer", growths, "MB", 8.0),
        Measure("longest stall of its loop", stalls, "ms", 20.0),
        Measure("the same, idle", idle_stalls, "ms"),
        Measure("time of the answer", seconds, "s", digits=2),
        Measure("speed", [MEBIBYTES * MIB / MB / one for one in seconds], "MB/s", digits=0),
    ]


if __name__ == "__main__":
    main()
