"""One service whose book of jobs, and the jobs child's state, are in PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.jobs import PROGRAM, begun, job, order, settings, submit, upload, wait_for
from tests.e2e.server import descendants, eventually, problem_of, run_server
from tests.e2e.test_jobs_killed import kill_all
from tests.jobs.postgres import Postgres, postgres

pytestmark = pytest.mark.timeout(240)


def test_jobs_go_on_after_a_kill_and_while_the_server_was_away(tmp_path: Path) -> None:
    with postgres() as database:
        given = settings(JOBS__DATABASE_URL=database.new_url())
        with run_server(tmp_path, given, program=PROGRAM) as server, server.client() as client:
            submitted = submit(client, upload(client), params={"steps": 4, "stepSeconds": 1})
            eventually(lambda: job(client, submitted["id"])["progress"] >= 0.3, 60)
            kill_all(server)
        done = begun(server, submitted["id"])

        with run_server(tmp_path, given, program=PROGRAM) as server, server.client() as client:
            server.expect_in_log("dbos|the jobs child")
            finished = wait_for(client, submitted["id"], "succeeded", seconds=90)
            second = submit(client, submitted["input"], params={"steps": 3, "stepSeconds": 1})
            wait_for(client, second["id"], "running")
            database.stop()
            database.start()
            eventually(lambda: client.get(f"/v1/jobs/{second['id']}").status_code == 200, 60)
            wait_for(client, second["id"], "succeeded", seconds=90)

    assert finished["result"]["summary"]["counted"] == [0, 1, 2, 3]
    again = begun(server, submitted["id"])[len(done) :]
    assert again == list(range(again[0], 4))
    assert again[0] in (done[-1], done[-1] + 1)
    assert not (tmp_path / "var" / "jobs" / "engine" / "engine.sqlite3").exists()
    assert not (tmp_path / "var" / "jobs" / "book.sqlite3").exists()


def test_without_its_database_jobs_are_refused_by_name_all_else_is_served_and_it_comes_back(tmp_path: Path) -> None:
    with postgres() as database:
        given = settings(JOBS__DATABASE_URL=database.new_url())
        database.stop()
        with run_server(tmp_path, given, program=PROGRAM) as server, server.client() as client:
            server.expect_in_log("dbos|the jobs child")
            media_id = upload(client)
            for path in ("/v1/jobs", "/v1/jobs/j0", "/v1/jobs/j0/events"):
                problem_of(client.get(path), 503, "storage_unavailable")
            problem = problem_of(client.post("/v1/jobs", json=order(media_id)), 503, "storage_unavailable")
            problem_of(client.post("/v1/jobs/j0/cancel"), 503, "storage_unavailable")
            problem_of(client.delete("/v1/jobs/j0"), 503, "storage_unavailable")
            assert client.get(f"/v1/media/{media_id}").status_code == 200
            assert client.get("/v1/limits").status_code == 200

            database.start()
            eventually(lambda: client.get("/v1/jobs").status_code == 200, 60)
            wait_for(client, submit(client, media_id)["id"], "succeeded", seconds=90)

    assert "database" in problem["detail"]


def test_the_password_of_the_database_is_in_no_log_answer_or_command_line(
    tmp_path: Path, postgres_server: Postgres
) -> None:
    url, password = postgres_server.new_url(), postgres_server.password
    wrong = url.replace(password, f"{password}-wrong")
    for given, expected in ((url, 202), (wrong, 503), (wrong.replace("@127", "@[127"), 503)):
        folder = tmp_path / str(expected) / str(len(given))
        folder.mkdir(parents=True)
        with (
            run_server(folder, settings(JOBS__DATABASE_URL=given), secrets=(password,), program=PROGRAM) as server,
            server.client() as client,
        ):
            server.expect_in_log("dbos|the jobs child")
            media_id = upload(client)
            answer = client.post("/v1/jobs", json=order(media_id))
            told = [answer.text, *(client.get(path).text for path in ("/v1/limits", "/v1/jobs", "/metrics"))]
            if expected == 202:
                wait_for(client, answer.json()["id"], "succeeded", seconds=90)
            commands = [
                Path(f"/proc/{pid}/cmdline").read_text()
                for pid in (server.process.pid, *descendants(server.process.pid))
            ]
            assert answer.status_code == expected, answer.text

        assert password not in "".join([*told, *commands, server.log_text()])
