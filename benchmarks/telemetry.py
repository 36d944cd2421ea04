"""What counting costs a request: `python -m benchmarks.telemetry`.

What the path of a request does for the metrics is repeated by itself: a mark at its beginning, bytes of two reads and
two writes, its place among the idle, its count at the end; the same with the access log, written to nowhere; one
observation of a histogram; one scrape. The share is of the time that the shortest request takes (`--request`, us).
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from app.domain.histogram import Histogram
from app.main import create_app
from app.server.access import AccessLog
from app.server.traffic import Mark, Traffic
from app.settings import Settings

_SAMPLES = 200
_CALLS = 1000


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.telemetry", description=__doc__)
    parser.add_argument("--request", type=float, default=250.0, help="microseconds that the shortest request takes")
    request_ns = parser.parse_args().request * 1000
    quiet, telling = _request(Traffic()), _request(Traffic(_access_log()))
    histogram = Histogram()
    rows = {
        "a request, counted": measure(quiet),
        "the same with an access log": measure(telling),
        "one observation": measure(lambda: histogram.observe(0.03)),
    }
    for name, ns in rows.items():
        print(f"{name:30} {ns:8.0f} ns   {ns / request_ns:6.2%} of a request of {request_ns / 1000:.0f} us")
    print(f"{'one scrape':30} {asyncio.run(_scrape()) * 1000:8.1f} ms")


def measure(work: Callable[[], object]) -> float:
    """Return the nanoseconds of one call, the median of samples, without those of an empty loop."""
    return max(0.0, _median_ns(work) - _median_ns(lambda: None))


def _median_ns(work: Callable[[], object]) -> float:
    samples = []
    for _ in range(_SAMPLES):
        began = time.perf_counter_ns()
        for _ in range(_CALLS):
            work()
        samples.append((time.perf_counter_ns() - began) / _CALLS)
    return statistics.median(samples)


def _request(traffic: Traffic) -> Callable[[], object]:
    """Return what one request does."""

    def endpoint() -> None:
        """What answers."""

    traffic.expect(endpoint, "/v1/vision/hands", "POST", {200})
    peer: Any = SimpleNamespace(received_bytes=0, sent_bytes=0, inlet=SimpleNamespace(unread=b""))
    scope = {"type": "http", "method": "POST", "path": "/v1/vision/hands", "endpoint": endpoint, "client": ("::1", 1)}
    idle: dict[int, float] = {}

    def run() -> None:
        idle.pop(1, None)
        mark = Mark(peer)
        peer.received_bytes += 50_000
        peer.received_bytes += 3_000
        peer.sent_bytes += 300
        peer.sent_bytes += 3_000
        traffic.answered(scope, 200, mark)
        idle[1] = 0.0

    return run


def _access_log() -> AccessLog:
    logger = logging.getLogger("ballast.access")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    logger.setLevel(logging.INFO)
    return AccessLog()


async def _scrape() -> float:
    from app.status.metrics import render

    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings.model_validate({"storage": {"root": f"{folder}/var", "allow_tmpfs": True}}))
        async with app.router.lifespan_context(app) as state:
            seconds = []
            for _ in range(50):
                began = time.perf_counter()
                render((state or {})["status"])
                seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
