"""Several services that share a store of media and a book of jobs, as several machines would."""

from __future__ import annotations

import secrets
import signal
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.e2e.jobs import PROGRAM, begun, job, left_over, order, settings, submit, upload, wait_for
from tests.e2e.server import RunningServer, eventually, problem_of, run_server
from tests.e2e.test_jobs_killed import kill_all
from tests.jobs.postgres import Postgres
from tests.storage.s3_server import S3Server

pytestmark = pytest.mark.timeout(300)


@dataclass
class Machines:
    """Starts services that share what `shared` says; they end with `stack`."""

    folder: Path
    shared: Mapping[str, str]
    stack: ExitStack

    def start(self, name: str, **more: str) -> tuple[RunningServer, httpx.Client]:
        folder = self.folder / name
        folder.mkdir()
        server = self.stack.enter_context(run_server(folder, settings(**self.shared, **more), program=PROGRAM))
        return server, self.stack.enter_context(server.client())


@pytest.fixture
def shared(s3: S3Server, postgres_server: Postgres) -> Mapping[str, str]:
    """Give the settings that machines have in common."""
    store = s3.environment(f"tests/{secrets.token_hex(6)}")
    return {
        "JOBS__DATABASE_URL": postgres_server.new_url(),
        **{name.removeprefix("BALLAST_"): value for name, value in store.items()},
    }


def test_what_one_only_takes_in_another_does_and_every_one_tells_cancels_and_deletes(
    tmp_path: Path, shared: Mapping[str, str]
) -> None:
    with ExitStack() as stack:
        machines = Machines(tmp_path, shared, stack)
        door, asked = machines.start("door", JOBS__RUN="false", JOBS__MAX_QUEUED="2")
        media_id = upload(asked)
        waiting = [submit(asked, media_id, params={"steps": 3, "stepSeconds": 0.3}) for _ in range(2)]
        problem_of(asked.post("/v1/jobs", json=order(media_id)), 429, "queue_full")

        worker, done_by = machines.start("worker", JOBS__MAX_QUEUED="2")
        heard: list[str] = []
        with asked.stream("GET", f"/v1/jobs/{waiting[1]['id']}/events") as events:
            heard += [line for line in events.iter_lines() if line.startswith("event:")]
        finished = wait_for(asked, waiting[0]["id"], "succeeded")
        result = asked.get(finished["result"]["media"][0]["url"])
        long = submit(asked, media_id, params={"steps": 50, "stepSeconds": 1})
        wait_for(asked, long["id"], "running")
        cancelled = asked.post(f"/v1/jobs/{long['id']}/cancel").json()
        again = asked.post(f"/v1/jobs/{long['id']}/retry")
        wait_for(asked, long["id"], "running")
        done_by.post(f"/v1/jobs/{long['id']}/cancel").raise_for_status()
        listed = [[one["id"] for one in client.get("/v1/jobs").json()["items"]] for client in (asked, done_by)]
        for client in (asked, done_by):
            assert client.delete(f"/v1/jobs/{listed[0].pop()}").status_code == 204
        eventually(lambda: left_over(worker.root) == [])

        assert heard.count("event: state") >= 2
        assert result.text == "012"
        assert cancelled["state"] == "cancelled"
        assert again.status_code == 202
        assert listed[1] == [long["id"], waiting[1]["id"], waiting[0]["id"]]
        assert begun(door, waiting[0]["id"]) == []
        assert begun(worker, waiting[0]["id"]) == [0, 1, 2]
        assert not (door.root / "jobs" / "engine" / "engine.sqlite3").exists()


def test_machines_share_the_queue_and_each_job_is_done_once(tmp_path: Path, shared: Mapping[str, str]) -> None:
    with ExitStack() as stack:
        machines = Machines(tmp_path, shared, stack)
        servers, clients = zip(*(machines.start(name) for name in ("one", "two")), strict=True)
        media_id = upload(clients[0])
        key = secrets.token_hex(4)
        answers: list[str] = []

        def submit_with_key(client: httpx.Client) -> None:
            answers.append(submit(client, media_id, idempotencyKey=key)["id"])

        threads = [threading.Thread(target=submit_with_key, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        jobs = [submit(clients[0], media_id, params={"steps": 2, "stepSeconds": 0.5})["id"] for _ in range(8)]
        for job_id in jobs:
            wait_for(clients[1], job_id, "succeeded", seconds=90)

        assert len(set(answers)) == 1
        by_both = [[begun(server, job_id) for job_id in jobs] for server in servers]
        assert [one + two for one, two in zip(*by_both, strict=True)] == [[0, 1]] * len(jobs)
        assert all(any(steps) for steps in by_both)


def test_jobs_of_a_machine_that_died_are_taken_over_once_and_what_was_on_its_disk_is_done_again(
    tmp_path: Path, shared: Mapping[str, str]
) -> None:
    with ExitStack() as stack:
        machines = Machines(tmp_path, shared, stack)
        second, other = machines.start("second")
        first, asked = machines.start("first")
        media_id = upload(asked)
        second.process.send_signal(signal.SIGSTOP)  # so that the first one takes both
        running = submit(asked, media_id, params={"steps": 5, "stepSeconds": 1})
        waiting = submit(asked, media_id)
        eventually(lambda: job(asked, running["id"])["progress"] >= 0.4, 60)
        kill_all(first)
        second.process.send_signal(signal.SIGCONT)
        ended = [wait_for(other, one["id"], "succeeded", seconds=150) for one in (running, waiting)]
        by_other = begun(second, running["id"])
        lines = other.get("/metrics").text.splitlines()

    assert ended[0]["result"]["summary"]["counted"] == [0, 1, 2, 3, 4]
    assert by_other == [0, 1, 2, 3, 4]
    taken = [line for line in lines if line.startswith("ballast_jobs_taken_over_total")]
    assert sum(float(line.rpartition(" ")[2]) for line in taken) >= 1


@pytest.mark.stress  # a minute: it must be silent for long enough
def test_a_machine_that_slept_spoils_nothing_of_a_job_that_went_to_another(
    tmp_path: Path, shared: Mapping[str, str]
) -> None:
    with ExitStack() as stack:
        machines = Machines(tmp_path, shared, stack)
        first, asked = machines.start("first")
        submitted = submit(asked, upload(asked), params={"steps": 6, "stepSeconds": 1})
        _, other = machines.start("second")
        eventually(lambda: job(other, submitted["id"])["progress"] >= 0.2, 60)
        first.process.send_signal(signal.SIGSTOP)
        try:
            wait_for(other, submitted["id"], "succeeded", seconds=120)
        finally:
            first.process.send_signal(signal.SIGCONT)
        eventually(lambda: "a job went to another machine" in first.log_text(), 60)
        eventually(lambda: left_over(first.root) == [], 60)
        told = [job(client, submitted["id"]) for client in (asked, other)]

    assert [one["result"]["summary"]["counted"] for one in told] == [[0, 1, 2, 3, 4, 5]] * 2
    assert [len(one["result"]["media"]) for one in told] == [1, 1]
