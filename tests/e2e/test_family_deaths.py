"""Processes that are killed while photos are answered: what belongs to them goes with them, and the rest goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.pictures import thumb
from tests.e2e.server import RunningServer, descendants, eventually, run_server
from tests.workers.pools import is_gone

pytestmark = [pytest.mark.model("hand_landmarker.task", "gesture_recognizer.task"), pytest.mark.photo]

TASKS = ("gestures?cache=false", "hands?cache=false&maxHands=1")
"""With these parameters each has a model of its own."""

GONE_SECONDS = 2.0
"""Until the kernel has ended whoever is to go with a process that was killed."""


class Clients:
    """Send photos one after the other, each for one task, and count the answers by status, until the end."""

    def __init__(self, server: RunningServer) -> None:
        self.answers: Counter[int] = Counter()
        self._url = server.url
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(task,)) for task in TASKS * 2]
        for thread in self._threads:
            thread.start()

    def more_answers(self, count: int = 20) -> None:
        """Wait until there are so many more."""
        wanted = self.answers.total() + count
        eventually(lambda: self.answers.total() >= wanted)

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, task: str) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as client, contextlib.suppress(httpx.TransportError):
            while not self._over.is_set():
                answer = client.post(f"/v1/vision/{task}", content=thumb())
                self.answers[answer.status_code] += 1


@contextlib.contextmanager
def busy(server: RunningServer) -> Iterator[Clients]:
    """Have photos answered by several children for the block."""
    clients = Clients(server)
    try:
        eventually(lambda: len(server.children()) >= 2)
        clients.more_answers()
        yield clients
    finally:
        clients.end()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with run_server(tmp_path, {"VISION__WORKERS": "2"}) as server:
        yield server


def are_gone(pids: set[int]) -> bool:
    return all(is_gone(pid) for pid in pids)


def test_with_the_zygote_its_children_go_and_every_photo_is_answered(server: RunningServer) -> None:
    with busy(server) as clients:
        family = descendants(server.process.pid)
        (zygote,) = server.zygotes()

        os.kill(zygote, signal.SIGKILL)

        eventually(lambda: are_gone(family), GONE_SECONDS)
        with server.client() as client:
            after = client.post("/v1/vision/hands?cache=false", content=thumb())
        clients.more_answers()

    assert zygote in family
    assert after.status_code == 200
    assert clients.answers.keys() == {200}
    assert server.zygotes().isdisjoint(family)
    eventually(lambda: server.at_work() == [])


def test_with_the_service_the_whole_tree_goes(server: RunningServer) -> None:
    with busy(server):
        family = descendants(server.process.pid)

        server.process.kill()
        server.process.wait()

        eventually(lambda: are_gone(family), GONE_SECONDS)
    assert len(family) >= 3


def test_the_end_of_one_child_does_not_touch_its_siblings(server: RunningServer) -> None:
    with busy(server) as clients:
        victim, *siblings = server.children()

        os.kill(victim, signal.SIGKILL)

        eventually(lambda: are_gone({victim}), GONE_SECONDS)
        clients.more_answers()
        assert set(siblings) <= server.children()

    assert clients.answers.keys() == {200}
