"""Workers that are killed or hang: one request may pay for it, the next one works."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.e2e.pictures import png_bomb, thumb
from tests.e2e.server import RunningServer, eventually, problem_of, run_server

pytestmark = [pytest.mark.model, pytest.mark.photo]

DEADLINE_SECONDS = 2.0
SETTINGS = {"VISION__WORKERS": "1"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One service for the tests that kill one worker: at the fifth death within a minute it makes a pause."""
    with run_server(tmp_path_factory.mktemp("deaths"), SETTINGS) as server:
        yield server


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RunningServer]:
    """A service for one test, with a worker that has its model."""
    with run_server(tmp_path, SETTINGS) as server:
        assert analyze(server).status_code == 200
        yield server


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[RunningServer]:
    """The same, where a call has a short time."""
    with run_server(tmp_path, {**SETTINGS, "VISION__DEADLINE_SECONDS": str(DEADLINE_SECONDS)}) as server:
        assert analyze(server).status_code == 200
        yield server


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def analyze(server: RunningServer, task: str = "hands", picture: bytes | None = None) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/vision/{task}?cache=false", content=picture or thumb(), timeout=30)


def only_worker(server: RunningServer) -> int:
    (pid,) = eventually(server.children)
    return pid


def in_flight(server: RunningServer) -> bool:
    """Whether some request holds bytes to work with, beside the service and its workers themselves."""
    return server.at_work() != []


def call_that_hangs(
    server: RunningServer, threads: ThreadPoolExecutor, picture: bytes | None = None
) -> tuple[int, Future[httpx.Response]]:
    """Stop the worker (one that has its model) and begin a call: it is in flight when this returns."""
    assert analyze(server).status_code == 200
    pid = only_worker(server)
    os.kill(pid, signal.SIGSTOP)
    answer = threads.submit(analyze, server, picture=picture)
    eventually(lambda: in_flight(server))
    return pid, answer


def test_a_worker_that_dies_between_calls_is_replaced(shared: RunningServer) -> None:
    assert analyze(shared).status_code == 200
    pid = only_worker(shared)
    os.kill(pid, signal.SIGKILL)

    answer = analyze(shared)

    assert answer.status_code == 200
    assert only_worker(shared) != pid


def test_a_call_whose_worker_is_killed_is_repeated_in_silence(
    shared: RunningServer, threads: ThreadPoolExecutor
) -> None:
    pid, answer = call_that_hangs(shared, threads)

    os.kill(pid, signal.SIGKILL)

    assert answer.result().status_code == 200
    assert len(answer.result().json()["detections"]) == 1


def test_a_call_that_kills_two_workers_has_failed_and_the_next_one_works(
    own: RunningServer, threads: ThreadPoolExecutor
) -> None:
    first, answer = call_that_hangs(own, threads, png_bomb(7000, 7000))  # work for more than a second

    os.kill(first, signal.SIGKILL)
    _stop_next_worker_with_its_call(own, first)

    problem_of(answer.result(), 500, "worker_failed")
    assert analyze(own).status_code == 200


def _stop_next_worker_with_its_call(server: RunningServer, dead: int) -> None:
    """Kill the next worker while it works on the call, which it is handed as soon as it says that it is ready."""

    def started() -> int | None:
        lines = [line for line in server.log_lines() if line["message"] == "worker started" and line["pid"] != dead]
        return lines[0]["pid"] if lines else None

    pid = eventually(started)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def test_a_call_without_end_is_given_up_at_its_deadline(hasty: RunningServer, threads: ThreadPoolExecutor) -> None:
    began = time.monotonic()
    _, answer = call_that_hangs(hasty, threads)

    problem_of(answer.result(), 504, "processing_timeout")

    assert time.monotonic() - began >= DEADLINE_SECONDS
    assert analyze(hasty).status_code == 200
    assert not in_flight(hasty)


def test_calls_that_wait_behind_a_killed_worker_are_served(shared: RunningServer, threads: ThreadPoolExecutor) -> None:
    pid, first = call_that_hangs(shared, threads)
    others = [threads.submit(analyze, shared) for _ in range(4)]

    os.kill(pid, signal.SIGKILL)

    assert [answer.result().status_code for answer in (first, *others)] == [200] * 5


def test_a_client_that_gives_up_does_not_take_the_worker_with_it(
    shared: RunningServer, threads: ThreadPoolExecutor
) -> None:
    del threads
    pid = only_worker(shared)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{shared.url}/v1/vision/hands?cache=false", content=thumb(), timeout=0.3)

    os.kill(pid, signal.SIGCONT)

    assert analyze(shared).status_code == 200
    assert only_worker(shared) == pid
    eventually(lambda: not in_flight(shared))


def test_a_worker_that_keeps_dying_gets_a_pause_and_the_probe_says_so(own: RunningServer) -> None:
    for _ in range(5):
        assert analyze(own).status_code == 200
        os.kill(only_worker(own), signal.SIGKILL)
        eventually(lambda: not own.children())

    answer = analyze(own)

    problem_of(answer, 503, "overloaded")
    ready = httpx.get(f"{own.url}/health/ready")
    assert ready.status_code == 503
    assert "died too often" in ready.json()["reasons"][0]
    assert httpx.get(f"{own.url}/health/live").status_code == 200


def test_a_stopped_worker_does_not_hold_up_the_end(own: RunningServer) -> None:
    os.kill(only_worker(own), signal.SIGSTOP)

    own.stop()


def test_a_call_in_flight_ends_with_an_answer_at_the_end(hasty: RunningServer, threads: ThreadPoolExecutor) -> None:
    _, answer = call_that_hangs(hasty, threads)

    hasty.stop()

    problem_of(answer.result(), 504, "processing_timeout")


def test_the_workers_die_with_a_service_that_is_killed(own: RunningServer) -> None:
    pid = only_worker(own)

    own.process.kill()
    own.process.wait()

    eventually(lambda: not Path(f"/proc/{pid}").exists())


def test_a_model_that_is_missing_is_told_with_how_to_get_it_and_the_rest_works(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with run_server(tmp_path, {"MODELS__DIR": str(tmp_path / "models")}) as server, server.client() as client:
        answer = client.post("/v1/vision/hands?cache=false", content=thumb())
        tasks = client.get("/v1/vision").json()["tasks"]
        stored = client.post("/v1/media", content=thumb())

        problem = problem_of(answer, 503, "model_missing")
        assert "ballast models" in problem["detail"]
        assert {task["state"] for task in tasks} == {"missing"}
        assert stored.status_code == 201
        assert client.get("/health/live").status_code == 200
        assert server.workers() == []


def test_one_missing_model_does_not_take_the_others_with_it(tmp_path: Path, models_folder: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "hand_landmarker.task").symlink_to(models_folder / "hand_landmarker.task")
    with run_server(tmp_path, {"MODELS__DIR": str(tmp_path / "models")}) as server:
        missing, present = analyze(server, "gestures"), analyze(server, "hands")

        problem_of(missing, 503, "model_missing")
        assert present.status_code == 200
