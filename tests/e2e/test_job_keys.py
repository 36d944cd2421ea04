"""Idempotency keys of jobs over HTTP: one tenant, whichever key it sends, from wherever, and at whatever moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.e2e.jobs import PROGRAM, order, settings, submit, upload
from tests.e2e.server import RunningServer, run_server

pytestmark = pytest.mark.timeout(120)


def _client(server: RunningServer, key: str) -> httpx.Client:
    return server.client(headers={"authorization": f"Bearer {key}"})


def test_a_key_answers_its_job_through_each_api_key_and_after_those_were_reordered(tmp_path: Path) -> None:
    with (
        run_server(tmp_path, settings(SERVER__API_KEYS="first,second"), program=PROGRAM) as server,
        _client(server, "first") as client,
        _client(server, "second") as other,
    ):
        media_id = upload(client)
        job_id = submit(client, media_id, idempotencyKey="k")["id"]
        by_other = submit(other, media_id, idempotencyKey="k")["id"]
    reordered = settings(SERVER__API_KEYS="third,second,first")
    with run_server(tmp_path, reordered, program=PROGRAM) as server, _client(server, "first") as client:
        afterwards = submit(client, media_id, idempotencyKey="k")["id"]
        listed = client.get("/v1/jobs").json()["items"]

    assert by_other == afterwards == job_id
    assert [one["id"] for one in listed] == [job_id]


def test_a_key_that_is_sent_many_times_at_once_and_from_two_addresses_makes_one_job(tmp_path: Path) -> None:
    with run_server(tmp_path, settings(JOBS__RUN="false"), program=PROGRAM) as server:
        with server.client() as client:
            media_id = upload(client)

        def send(address: str) -> tuple[int, str]:
            transport = httpx.HTTPTransport(local_address=address)
            with server.client(transport=transport) as sender:
                answer = sender.post("/v1/jobs", json=order(media_id, idempotencyKey="k"))
                return answer.status_code, str(answer.json().get("id"))

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(send, ["127.0.0.1", "127.0.0.2"] * 4))

        with server.client() as client:
            listed = client.get("/v1/jobs").json()["items"]

    assert {status for status, _ in answers} == {202}
    assert {job_id for _, job_id in answers} == {one["id"] for one in listed}
    assert len(listed) == 1
