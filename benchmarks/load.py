"""Load on a server: a few keep-alive clients that ask one thing again and again, and a prober of its health."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.client import Answer, Client

_PROBE_PERIOD_SECONDS = 0.05


@dataclass
class Load:
    """What came of some seconds of load: seconds of each answer, and of each probe beside them."""

    seconds: float = 0.0
    answers: list[float] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.answers) / self.seconds


def ask(port: int, request: Callable[[Client], bytes], count: int, check: Callable[[Answer], None]) -> list[float]:
    """Ask `count` times over one connection; return the seconds of each answer."""
    with Client("127.0.0.1", port) as client:
        prepared = request(client)
        return [_exchange(client, prepared, check) for _ in range(count)]


def load(
    port: int,
    request: Callable[[Client], bytes],
    clients: int,
    seconds: float,
    check: Callable[[Answer], None],
    probe: str | None = None,
) -> Load:
    """Keep so many clients busy for some seconds, each with a connection of its own; `probe` is a path to GET.

    Threads are cheap enough: they wait in the kernel, and each answer costs about 0.1 ms of one core.
    """
    result, failures = Load(), list[BaseException]()
    began = time.perf_counter()
    until = began + seconds

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    def keep_asking() -> None:
        with Client("127.0.0.1", port) as client:
            prepared = request(client)
            while time.perf_counter() < until:
                result.answers.append(_exchange(client, prepared, check))

    works = [keep_asking] * clients
    if probe is not None:
        works.append(lambda: _keep_probing(port, probe, until, result.probes))
    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result.seconds = time.perf_counter() - began
    if failures:
        raise failures[0]
    return result


def _keep_probing(port: int, path: str, until: float, seconds: list[float]) -> None:
    with Client("127.0.0.1", port) as client:
        prepared = client.prepare("GET", path)
        while time.perf_counter() < until:
            seconds.append(_exchange(client, prepared, _check_ok))
            time.sleep(_PROBE_PERIOD_SECONDS)


def _exchange(client: Client, prepared: bytes, check: Callable[[Answer], None]) -> float:
    began = time.perf_counter()
    answer = client.exchange(prepared)
    seconds = time.perf_counter() - began
    check(answer)
    return seconds


def _check_ok(answer: Answer) -> None:
    if answer.status != 200:
        raise SystemExit(f"the probe answered {answer.status}: {answer.body[:300]!r}")
