"""Jobs survive whatever is killed: the service, its jobs child, both; at any moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.jobs import PROGRAM, begun, job, left_over, settings, submit, upload, wait_for
from tests.e2e.server import RunningServer, descendants, eventually, problem_of, run_server

pytestmark = pytest.mark.timeout(180)


def jobs_child(server: RunningServer) -> int:
    """Return the process id of the jobs child, as soon as there is one."""

    def look() -> int:
        processes = server.memory()["processes"]
        return next((process["pid"] for process in processes if process["role"] == "jobs"), 0)

    return eventually(look, 30)


def kill_all(server: RunningServer) -> None:
    """Kill the service and all that it started, at once."""
    family = [server.process.pid, *descendants(server.process.pid)]
    for pid in family:
        with_pid = Path(f"/proc/{pid}")
        if with_pid.exists():
            os.kill(pid, signal.SIGKILL)
    server.process.wait()
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    assert left_over(tmp_path / "var") == []


def test_a_job_goes_on_at_the_first_step_that_is_not_done_when_everything_was_killed(folder: Path) -> None:
    with run_server(folder, settings(), program=PROGRAM) as server, server.client() as client:
        submitted = submit(client, upload(client), params={"steps": 4, "stepSeconds": 0.8}, priority=3)
        before = eventually(lambda: (found := job(client, submitted["id"]))["progress"] >= 0.5 and found, 40)
        kill_all(server)
    done = begun(server, submitted["id"])

    with run_server(folder, settings(), program=PROGRAM) as server, server.client() as client:
        after = job(client, submitted["id"])
        problem_of(client.delete(f"/v1/media/{submitted['input']}"), 409, "conflict")
        finished = wait_for(client, submitted["id"], "succeeded")
        content = client.get(finished["result"]["media"][0]["url"]).text

    assert after["progress"] >= before["progress"] - 0.25
    assert content == "0123"
    assert finished["result"]["summary"]["counted"] == [0, 1, 2, 3]
    assert finished["priority"] == 3
    again = begun(server, submitted["id"])[len(done) :]
    assert again == list(range(again[0], 4))
    assert again[0] in (done[-1], done[-1] + 1)  # the one at work, or the next


def test_the_jobs_child_is_killed_and_nobody_notices(folder: Path) -> None:
    with run_server(folder, settings(), program=PROGRAM) as server, server.client() as client:
        submitted = submit(client, upload(client), params={"steps": 3, "stepSeconds": 1})
        first = jobs_child(server)
        wait_for(client, submitted["id"], "running")

        os.kill(first, signal.SIGKILL)

        finished = wait_for(client, submitted["id"], "succeeded")
        assert jobs_child(server) != first
        assert client.get(finished["result"]["media"][0]["url"]).text == "012"
    steps = begun(server, submitted["id"])
    assert sorted(set(steps)) == [0, 1, 2]
    assert len(steps) <= 4


def test_a_job_that_waits_is_begun_by_the_next_run(folder: Path) -> None:
    with run_server(folder, settings(JOBS__RUN="false"), program=PROGRAM) as server, server.client() as client:
        submitted = submit(client, upload(client), idempotencyKey="k")
        assert job(client, submitted["id"])["state"] == "queued"
        kill_all(server)

    with run_server(folder, settings(), program=PROGRAM) as server, server.client() as client:
        assert submit(client, submitted["input"], idempotencyKey="k")["id"] == submitted["id"]
        wait_for(client, submitted["id"], "succeeded")


def test_the_jobs_child_leaves_when_there_is_nothing_to_do_and_comes_back(folder: Path) -> None:
    quick = settings(JOBS__IDLE_SECONDS="0.5")
    with run_server(folder, quick, program=PROGRAM) as server, server.client() as client:
        media_id = upload(client)
        for _ in range(2):
            wait_for(client, submit(client, media_id)["id"], "succeeded")
            eventually(lambda: all(one["role"] != "jobs" for one in server.memory()["processes"]), 20)
            eventually(lambda: all(one["owner"] != "jobs" for one in server.memory()["budget"]["holders"]), 20)


def test_the_childs_database_is_broken_and_jobs_go_on(folder: Path) -> None:
    engine = folder / "var" / "jobs" / "engine"
    engine.mkdir(parents=True)
    (engine / "engine.sqlite3").write_bytes(b"no database" * 1000)
    with run_server(folder, settings(), program=PROGRAM) as server, server.client() as client:
        server.expect_in_log("set aside")
        wait_for(client, submit(client, upload(client))["id"], "succeeded")


def test_a_broken_book_is_a_named_problem_and_all_else_is_served(folder: Path) -> None:
    (folder / "var" / "jobs").mkdir(parents=True)
    (folder / "var" / "jobs" / "book.sqlite3").write_bytes(b"no database" * 1000)
    with run_server(folder, settings(), program=PROGRAM) as server, server.client() as client:
        server.expect_in_log("the book of jobs")
        media_id = upload(client)

        for answer in (
            client.get("/v1/jobs"),
            client.get("/v1/jobs/j1"),
            client.post("/v1/jobs", json={"kind": "count", "input": media_id}),
        ):
            assert "broken" in problem_of(answer, 503, "storage_unavailable")["detail"]
        assert client.get(f"/v1/media/{media_id}/content").status_code == 200


def test_a_limit_that_is_too_small_for_jobs_is_a_clear_refusal(folder: Path) -> None:
    with run_server(folder, settings(MEMORY__LIMIT="140M"), program=PROGRAM) as server, server.client() as client:
        media_id = upload(client)

        answer: httpx.Response = client.post("/v1/jobs", json={"kind": "count", "input": media_id})

        found = problem_of(answer, 413, "memory_exceeds_limit")
        assert found["neededBytes"] > found["limitBytes"]
        assert client.get("/health/live").status_code == 200
