"""`ballast jobs` against a running service."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.e2e.jobs import PROGRAM, settings, submit, upload, wait_for
from tests.e2e.server import run_server, service_environment
from tests.serving import free_port


def _ballast(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", "jobs", *arguments],
        env=service_environment({}), capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip


def test_jobs_are_listed_shown_cancelled_and_retried(tmp_path: Path) -> None:
    with run_server(tmp_path, settings(), program=PROGRAM) as server, server.client() as client:
        job_id = submit(client, upload(client), params={"steps": 1, "stepSeconds": 30})["id"]
        at = ("--url", server.url)

        listed = _ballast("list", *at, "--kind", "count")
        cancelled = _ballast("cancel", job_id, *at)
        shown = _ballast("show", job_id, *at, "--json")
        retried = _ballast("retry", job_id, *at)
        unknown = _ballast("cancel", "j1", *at)
        client.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
        wait_for(client, job_id, "cancelled")

    assert job_id in listed.stdout
    assert "cancelled" in cancelled.stdout
    assert json.loads(shown.stdout)["state"] == "cancelled"
    assert "queued" in retried.stdout
    assert (unknown.returncode, unknown.stdout.split(":")[0]) == (1, "not_found")


def test_where_no_service_answers_it_says_so() -> None:
    refused = _ballast("list", "--url", f"http://127.0.0.1:{free_port()}")

    assert refused.returncode != 0
    assert "no service answers" in refused.stderr
