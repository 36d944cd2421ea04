"""An 8-chunk job and 20 kills of everything at random moments: nothing that was done is done again."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.e2e.jobs import PROGRAM, begun, job, left_over, settings, submit, upload
from tests.e2e.server import eventually, run_server
from tests.e2e.test_jobs_killed import kill_all

_KILLS, _STEPS = 20, 8


@pytest.mark.stress
@pytest.mark.timeout(1200)
def test_twenty_kills_at_random_cost_a_chunk_each_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.e2e.server.START_SECONDS", 120.0)
    seed = random.randrange(1 << 30)
    moments = random.Random(seed)
    print(f"seed {seed}")  # noqa: T201 - to find a failure again
    job_id, kills, shown = "", 0, 0.0
    while kills < _KILLS:
        with run_server(tmp_path, settings(), program=PROGRAM) as server, server.client() as client:
            if not job_id:
                job_id = submit(client, upload(client), params={"steps": _STEPS, "stepSeconds": 1.5})["id"]
            found = job(client, job_id)
            assert found["progress"] >= shown - 1 / _STEPS
            time.sleep(moments.uniform(0.0, 10.0))
            found = job(client, job_id)
            shown = found["progress"]
            if found["state"] == "succeeded":
                break
            kill_all(server)
            kills += 1

    with run_server(tmp_path, settings(), program=PROGRAM) as server, server.client() as client:
        eventually(lambda: job(client, job_id)["state"] == "succeeded", 120)
        done = job(client, job_id)
        assert client.get(done["result"]["media"][0]["url"]).text == "".join(map(str, range(_STEPS)))
        assert len(client.get("/v1/media").json()["items"]) == 2
        assert left_over(server.root) == []
    steps = begun(server, job_id)
    assert steps == sorted(steps)
    assert len(steps) <= _STEPS + kills
