"""Children that leave: told to, seen to be gone, and when their memory is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from benchmarks.client import Client
from benchmarks.server import Service
from benchmarks.table import MB
from benchmarks.tree import find_tree

GIVE_UP_SECONDS = 20.0
_ALLOWED_BYTES = 4 * MB
"""What the tree may have more than before: pictures that are being decoded come and go."""

_LOOK_SECONDS = 0.01
_RECLAIM_SECONDS = 0.1
_STEADY_SECONDS = 1.0


def let_children_go(service: Service, client: Client) -> bool:
    """Have memory reclaimed until there is no child left but the zygote; return if that is there.

    Raises:
        SystemExit: it took too long.
    """
    give_up_at = time.monotonic() + GIVE_UP_SECONDS
    while not (roles := _roles(service, client)) or not roles <= {"api", "zygote"}:
        if time.monotonic() > give_up_at:
            raise SystemExit(f"children that do not leave: {sorted(roles)}")
        _reclaim(client)
        time.sleep(_RECLAIM_SECONDS)
    return "zygote" in roles


def seconds_until_back(
    service: Service, task: str, *, used: Callable[[Client], object], loaded: Callable[[Client], object]
) -> float:
    """Return how long after the end of a task's model its memory is back; at most `GIVE_UP_SECONDS`.

    `loaded` has the task answer once, so that its model is there; `used` is repeated meanwhile with another one.

    Raises:
        SystemExit: the model was not unloaded.
    """
    with _repeated(service, used), service.connect() as client:
        time.sleep(_STEADY_SECONDS)
        tree_bytes = max(service.memory().pss_bytes for _ in range(10))
        ledger_bytes = _children_bytes(client)
        loaded(client)
        _await_unloaded(client, task)
        began = time.perf_counter()
        while (seconds := time.perf_counter() - began) < GIVE_UP_SECONDS:
            is_back = service.memory().pss_bytes <= tree_bytes + _ALLOWED_BYTES
            if is_back and _children_bytes(client) <= ledger_bytes:
                break
            time.sleep(_LOOK_SECONDS)
        return seconds


@contextmanager
def _repeated(service: Service, work: Callable[[Client], object]) -> Iterator[None]:
    """Repeat `work` over a connection of its own while the block runs."""
    ended = threading.Event()

    def repeat() -> None:
        with service.connect() as client:
            while not ended.is_set():
                work(client)

    with ThreadPoolExecutor(1) as executor:
        repeating = executor.submit(repeat)
        try:
            yield
        finally:
            ended.set()
            repeating.result()


def _await_unloaded(client: Client, task: str) -> None:
    give_up_at = time.monotonic() + GIVE_UP_SECONDS
    while _state(client, task) != "unloaded":
        if time.monotonic() > give_up_at:
            raise SystemExit(f"{task} is not unloaded")
        _reclaim(client)
        time.sleep(_LOOK_SECONDS)


def _roles(service: Service, client: Client) -> set[str]:
    """Return the roles of all processes; nothing where the last sample does not know those that there are now."""
    processes: list[dict[str, Any]] = client.get("/metrics/memory").json()["processes"]
    if {one["pid"] for one in processes} != {name.pid for name in find_tree(service.pid)}:
        return set()
    return {one["role"] for one in processes}


def _state(client: Client, task: str) -> str:
    tasks = client.get("/v1/vision").json()["tasks"]
    return next(str(one["state"]) for one in tasks if one["name"] == task)


def _children_bytes(client: Client) -> int:
    """Return what the ledger holds for children."""
    holders: list[dict[str, Any]] = client.get("/metrics/memory").json()["budget"]["holders"]
    return sum(one["reservedBytes"] for one in holders if one["owner"].startswith("model:"))


def _reclaim(client: Client) -> None:
    answer = client.exchange(client.prepare("POST", "/v1/memory/reclaim"))
    if answer.status != 200:
        raise SystemExit(f"reclaim answered {answer.status}: {answer.body[:300]!r}")
