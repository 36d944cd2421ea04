"""Asks /health/live again and again, from a process of its own: how long the service's event loop lets others wait.

    python -m benchmarks.health PORT

It asks until standard input ends, and then prints the seconds of each answer as JSON.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.client import Client
from benchmarks.server import REPOSITORY

PAUSE_SECONDS = 0.002
"""Between two questions: a stall of 20 ms is met by every one of them."""


@dataclass(slots=True)
class Health:
    """How long the answers took; known after the block."""

    seconds: list[float] = field(default_factory=list)


@contextmanager
def watched(port: int) -> Iterator[Health]:
    """Ask while the block runs."""
    health = Health()
    command = [sys.executable, "-m", "benchmarks.health", str(port)]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()  # it has begun
        yield health
        output, _ = process.communicate(timeout=10)
        health.seconds += json.loads(output)
    finally:
        process.kill()
        process.wait()


def _ask(port: int) -> list[float]:
    seconds: list[float] = []
    with Client("127.0.0.1", port) as client:
        question = client.prepare("GET", "/health/live")
        client.exchange(question)
        print("begun", flush=True)
        while not select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
            began = time.perf_counter()
            if client.exchange(question).status != 200:
                raise SystemExit("the service is not live")
            seconds.append(time.perf_counter() - began)
    return seconds


if __name__ == "__main__":
    print(json.dumps(_ask(int(sys.argv[1]))))
