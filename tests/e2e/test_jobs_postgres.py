"""The jobs child with its state in PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.jobs import PROGRAM, begun, job, settings, submit, upload, wait_for
from tests.e2e.server import eventually, run_server
from tests.e2e.test_jobs_killed import kill_all
from tests.jobs.postgres import postgres

pytestmark = pytest.mark.timeout(240)


def test_jobs_go_on_after_a_kill_and_while_the_server_was_away(tmp_path: Path) -> None:
    with postgres() as database:
        given = settings(JOBS__DATABASE_URL=database.url)
        with run_server(tmp_path, given, program=PROGRAM) as server, server.client() as client:
            submitted = submit(client, upload(client), params={"steps": 4, "stepSeconds": 1})
            eventually(lambda: job(client, submitted["id"])["progress"] >= 0.3, 60)
            shown = client.get("/v1/limits").text
            kill_all(server)
        done = begun(server, submitted["id"])

        with run_server(tmp_path, given, program=PROGRAM) as server, server.client() as client:
            server.expect_in_log("dbos|the jobs child")
            finished = wait_for(client, submitted["id"], "succeeded", seconds=90)
            second = submit(client, submitted["input"], params={"steps": 3, "stepSeconds": 1})
            wait_for(client, second["id"], "running")
            database.stop()
            database.start()
            wait_for(client, second["id"], "succeeded", seconds=90)

    assert finished["result"]["summary"]["counted"] == [0, 1, 2, 3]
    again = begun(server, submitted["id"])[len(done) :]
    assert again == list(range(again[0], 4))
    assert again[0] in (done[-1], done[-1] + 1)
    assert not (tmp_path / "var" / "jobs" / "engine" / "engine.sqlite3").exists()
    assert database.url not in shown
