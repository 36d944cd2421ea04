"""Jobs over HTTP: submitted, followed, cancelled, tried again, deleted."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.jobs import PROGRAM, begun, job, left_over, order, settings, submit, upload, wait_for
from tests.e2e.server import RunningServer, eventually, problem_of, run_server
from tests.samples import png

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("jobs")
    with run_server(folder, settings(JOBS__MAX_QUEUED="5"), program=PROGRAM) as running:
        yield running
        eventually(lambda: left_over(running.root) == [])


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as made:
        yield made


@pytest.fixture
def media_id(client: httpx.Client) -> str:
    return upload(client)


def test_a_job_is_done_and_its_result_is_an_item(client: httpx.Client, media_id: str) -> None:
    submitted = submit(client, media_id, params={"steps": 3})

    done = wait_for(client, submitted["id"], "succeeded")

    assert (submitted["state"], submitted["progress"], submitted["result"]) == ("queued", 0, None)
    assert done["progress"] == 1
    assert done["input"] == media_id
    assert done["createdAt"] <= done["startedAt"] <= done["finishedAt"]
    assert done["result"]["summary"] == {"steps": 3, "counted": [0, 1, 2]}
    assert done["memory"] == {"predictedBytes": 1 << 20, "peakBytes": 0, "profile": "LOW", "retries": 0}
    (item,) = done["result"]["media"]
    assert (item["name"], item["kind"]) == ("count.json", "other")
    assert client.get(item["url"]).text == "012"
    assert client.get(f"/v1/media/{item['id']}").status_code == 200


def test_ffmpeg_works_for_jobs_and_the_item_is_described_as_an_upload_is(client: httpx.Client, media_id: str) -> None:
    done = wait_for(client, submit(client, media_id, "repack")["id"], "succeeded")

    (item,) = done["result"]["media"]
    assert (item["contentType"], item["width"], item["height"]) == ("video/x-matroska", 160, 90)
    assert item["durationSeconds"] == pytest.approx(1.0, abs=0.2)
    assert 0 < done["memory"]["peakBytes"] <= done["memory"]["predictedBytes"]


def test_results_come_with_their_bytes_where_that_is_asked_for(client: httpx.Client, media_id: str) -> None:
    submitted = submit(client, media_id, params={"steps": 3})
    done = wait_for(client, submitted["id"], "succeeded")
    path = f"/v1/jobs/{submitted['id']}"

    whole = client.get(path, params={"inline": "auto"})

    document = whole.json()
    (item,) = document["result"]["media"]
    assert (b64decode(item["buffer"]), item["largeFile"]) == (b"012", False)
    item["buffer"] = None
    assert document == done == client.get(path, params={"inline": "never"}).json()
    assert whole.headers["content-type"] == "application/json"
    problem_of(client.get(path, params={"inline": "always"}), 422, "invalid_parameter")


def test_of_a_result_that_was_deleted_and_a_job_without_results_nothing_is_missing(
    client: httpx.Client, media_id: str
) -> None:
    submitted = submit(client, media_id, params={"steps": 1, "stepSeconds": 0.5})
    unfinished = client.get(f"/v1/jobs/{submitted['id']}?inline=auto")
    done = wait_for(client, submitted["id"], "succeeded")
    client.delete(f"/v1/media/{done['result']['media'][0]['id']}").raise_for_status()

    bare = client.get(f"/v1/jobs/{submitted['id']}?inline=auto").json()

    assert unfinished.json()["result"] is None
    assert bare["result"] == {"media": [], "summary": done["result"]["summary"]}


def _events(text: str) -> list[tuple[str, int, dict[str, Any]]]:
    found = []
    for block in text.replace("\r", "").strip().split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in block.split("\n") if not line.startswith(":"))
        if "data" in fields:
            found.append((fields["event"], int(fields["id"]), json.loads(fields["data"])))
    return found


def test_events_tell_every_state_and_end_with_the_job(client: httpx.Client, media_id: str) -> None:
    submitted = submit(client, media_id, params={"steps": 2, "stepSeconds": 0.6})

    events = _events(client.get(f"/v1/jobs/{submitted['id']}/events").text)

    states = [document["state"] for name, _, document in events if name == "state"]
    shares = [document["progress"] for _, _, document in events]
    assert states == ["queued", "running", "succeeded"]
    assert any(name == "progress" and 0 < document["progress"] < 1 for name, _, document in events)
    assert shares == sorted(shares)
    assert [number for _, number, _ in events] == sorted({number for _, number, _ in events})


def test_a_late_listener_is_told_the_last_state_unless_it_has_it(client: httpx.Client, media_id: str) -> None:
    submitted = submit(client, media_id)
    wait_for(client, submitted["id"], "succeeded")
    path = f"/v1/jobs/{submitted['id']}/events"

    (event,) = _events(client.get(path).text)
    again = client.get(path, headers={"last-event-id": str(event[1])})
    older = client.get(path, headers={"last-event-id": str(event[1] - 1)})

    assert (event[0], event[2]["state"]) == ("state", "succeeded")
    assert (again.status_code, again.content) == (204, b"")  # so an EventSource does not come back
    assert len(_events(older.text)) == 1


def test_the_same_key_answers_the_same_job_and_another_job_is_a_conflict(client: httpx.Client, media_id: str) -> None:
    first = submit(client, media_id, idempotencyKey="once")
    again = submit(client, media_id, idempotencyKey="once")
    other = client.post("/v1/jobs", json=order(media_id, params={"steps": 2}, idempotencyKey="once"))

    assert again["id"] == first["id"]
    problem_of(other, 409, "conflict")


def test_jobs_are_listed_by_state_and_kind_a_page_at_a_time(client: httpx.Client, media_id: str) -> None:
    ids = [submit(client, media_id)["id"] for _ in range(3)]
    for job_id in ids:
        wait_for(client, job_id, "succeeded")

    first = client.get("/v1/jobs", params={"kind": "count", "state": "succeeded", "limit": 2}).json()
    second = client.get("/v1/jobs", params={"kind": "count", "limit": 2, "cursor": first["nextCursor"]}).json()

    assert [one["id"] for one in first["items"]] == [ids[2], ids[1]]
    assert second["items"][0]["id"] == ids[0]
    assert client.get("/v1/jobs", params={"kind": "nothing"}).json() == {"items": [], "nextCursor": None}
    problem_of(client.get("/v1/jobs", params={"cursor": "x"}), 422, "invalid_parameter")
    problem_of(client.get("/v1/jobs", params={"state": "x"}), 422, "invalid_parameter")


def test_the_kinds_tell_their_parameters_and_what_they_would_take(client: httpx.Client, media_id: str) -> None:
    kinds = {kind["name"]: kind for kind in client.get("/v1/jobs/kinds").json()["kinds"]}
    asked = {kind["name"]: kind for kind in client.get("/v1/jobs/kinds", params={"input": media_id}).json()["kinds"]}

    assert kinds["count"]["parameters"]["properties"]["stepSeconds"]["type"] == "number"
    assert kinds["count"]["prediction"] is None
    assert asked["repack"]["prediction"]["predictedBytes"] == 64 << 20
    problem_of(client.get("/v1/jobs/kinds", params={"input": "v" + "0" * 21}), 404, "not_found")


@pytest.mark.parametrize(
    ("members", "status", "code", "named"),
    [
        ({"kind": "nothing"}, 422, "invalid_parameter", "count, repack"),
        ({"params": {"stepz": 1}}, 422, "invalid_parameter", "stepSeconds"),
        ({"params": {"steps": 0}}, 422, "invalid_parameter", "params.steps"),
        ({"params": {"steps": "many"}}, 422, "invalid_parameter", "params.steps"),
        ({"params": 3}, 422, "invalid_parameter", "params"),
        ({"priority": "high"}, 422, "invalid_parameter", "priority"),
        ({"priority": False}, 422, "invalid_parameter", "priority"),
        ({"input": []}, 422, "invalid_parameter", "input"),
        ({"input": ["a"] * 11}, 422, "invalid_parameter", "at most 10"),
        ({"input": "v" + "0" * 21}, 404, "not_found", "input"),
        ({"input": "../../etc/passwd"}, 404, "not_found", "input"),
        ({"extra": 1}, 422, "invalid_parameter", "extra"),
        ({"webhook": "ftp://example.com/"}, 422, "invalid_parameter", "webhook"),
        ({"webhook": "http://127.0.0.1/"}, 422, "invalid_parameter", "webhook"),
        ({"webhook": "http://[::ffff:10.0.0.1]/"}, 422, "invalid_parameter", "webhook"),
        ({"webhook": "http://user:secret@example.com/"}, 422, "invalid_parameter", "webhook"),
        ({"params": {"predictedBytes": 1 << 40}}, 413, "memory_exceeds_limit", "large"),
        ({"params": {"diskBytes": 1 << 60}}, 507, "storage_full", "room"),
    ],
)
def test_what_cannot_work_is_refused_at_once_and_leaves_nothing(
    client: httpx.Client, media_id: str, members: dict[str, Any], status: int, code: str, named: str
) -> None:
    count = len(client.get("/v1/jobs?limit=100").json()["items"])

    answer = client.post("/v1/jobs", json={**order(media_id), **members})

    found = problem_of(answer, status, code)
    assert named in found["detail"]
    if code == "memory_exceeds_limit":
        assert found["neededBytes"] > found["limitBytes"]
    assert len(client.get("/v1/jobs?limit=100").json()["items"]) == count
    assert client.delete(f"/v1/media/{media_id}").status_code == 204


@pytest.mark.parametrize(("body", "code"), [(b"", "bad_request"), (b"{", "bad_request"), (b"[]", "invalid_parameter")])
def test_a_body_that_is_no_job_is_refused(client: httpx.Client, body: bytes, code: str) -> None:
    problem_of(client.post("/v1/jobs", content=body), 400 if code == "bad_request" else 422, code)


def test_a_body_that_is_too_long_is_refused(client: httpx.Client) -> None:
    problem_of(client.post("/v1/jobs", content=b" " * ((1 << 20) + 1)), 413, "payload_too_large")


def test_a_kind_refuses_an_input_of_another_kind(client: httpx.Client) -> None:
    picture = client.post("/v1/media", content=png(30, 20), headers={"content-type": "image/png"}).json()["id"]

    problem_of(client.post("/v1/jobs", json=order(picture, "repack")), 415, "unsupported_media")


def test_an_input_stays_until_its_job_is_finished(client: httpx.Client, media_id: str) -> None:
    submitted = submit(client, media_id, params={"steps": 1, "stepSeconds": 30})
    wait_for(client, submitted["id"], "running")

    problem_of(client.delete(f"/v1/media/{media_id}"), 409, "conflict")
    client.post(f"/v1/jobs/{submitted['id']}/cancel").raise_for_status()

    assert client.delete(f"/v1/media/{media_id}").status_code == 204


def test_cancelling_ends_a_running_and_a_waiting_job_and_is_idempotent(
    server: RunningServer, client: httpx.Client, media_id: str
) -> None:
    running = submit(client, media_id, params={"steps": 2, "stepSeconds": 30})
    wait_for(client, running["id"], "running")
    waiting = submit(client, media_id)

    for one in (running, waiting, running):
        cancelled = client.post(f"/v1/jobs/{one['id']}/cancel")
        assert cancelled.status_code == 200
        assert cancelled.json()["state"] == "cancelled"

    assert not (server.root / "jobs" / running["id"]).exists()
    assert begun(server, waiting["id"]) == []
    done = submit(client, media_id)
    wait_for(client, done["id"], "succeeded")
    assert client.post(f"/v1/jobs/{done['id']}/cancel").json()["state"] == "succeeded"
    problem_of(client.post("/v1/jobs/j1/cancel"), 404, "not_found")


def test_a_higher_priority_is_begun_first(client: httpx.Client, media_id: str) -> None:
    first = submit(client, media_id, params={"steps": 2, "stepSeconds": 3})
    wait_for(client, first["id"], "running")
    high = submit(client, media_id, priority=5)
    low = submit(client, media_id)

    for one in (first, low, high):
        wait_for(client, one["id"], "succeeded")

    finished = {name: job(client, one["id"])["finishedAt"] for name, one in {"low": low, "high": high}.items()}
    assert finished["high"] < finished["low"]
    assert finished["high"] < job(client, first["id"])["finishedAt"]  # between its two steps


def test_too_many_waiting_jobs_are_refused(client: httpx.Client, media_id: str) -> None:
    blocking = submit(client, media_id, params={"steps": 1, "stepSeconds": 30})
    wait_for(client, blocking["id"], "running")
    waiting = [submit(client, media_id) for _ in range(5)]

    answer = client.post("/v1/jobs", json=order(media_id))

    problem_of(answer, 429, "queue_full")
    for one in [*waiting, blocking]:
        client.post(f"/v1/jobs/{one['id']}/cancel").raise_for_status()


def test_a_broken_input_fails_at_once_and_leaves_nothing(
    server: RunningServer, client: httpx.Client, media_id: str
) -> None:
    failed = wait_for(client, submit(client, media_id, params={"trouble": "broken"})["id"], "failed")

    assert failed["error"]["code"] == "invalid_media"
    assert failed["result"] is None
    assert begun(server, failed["id"]) == [0, 1, 2]
    assert not (server.root / "jobs" / failed["id"]).exists()


def test_what_fails_by_no_fault_of_the_input_is_tried_again_and_then_stops(
    server: RunningServer, client: httpx.Client, media_id: str
) -> None:
    failed = wait_for(client, submit(client, media_id, params={"trouble": "crashed", "steps": 2})["id"], "failed")

    assert failed["error"]["code"] == "worker_failed"
    assert failed["attempts"] == 3
    assert begun(server, failed["id"]) == [0, 1, 1, 1]
    client.delete(f"/v1/jobs/{failed['id']}").raise_for_status()


def test_a_retry_begins_at_the_first_step_that_is_not_done(
    server: RunningServer, client: httpx.Client, media_id: str
) -> None:
    params = {"trouble": "crashed", "troubleTimes": 3, "steps": 3}
    failed = wait_for(client, submit(client, media_id, params=params)["id"], "failed")

    again = client.post(f"/v1/jobs/{failed['id']}/retry")

    assert again.status_code == 202
    done = wait_for(client, failed["id"], "succeeded")
    assert begun(server, failed["id"]) == [0, 1, 2, 2, 2, 2]
    assert done["error"] is None
    problem_of(client.post(f"/v1/jobs/{failed['id']}/retry"), 409, "conflict")


def test_without_memory_a_job_waits_and_holds_no_place(
    server: RunningServer, client: httpx.Client, media_id: str
) -> None:
    starved = submit(client, media_id, params={"trouble": "starved", "troubleTimes": 2, "steps": 1})
    eventually(lambda: job(client, starved["id"])["step"] == "waiting for memory")

    other = wait_for(client, submit(client, media_id)["id"], "succeeded")
    done = wait_for(client, starved["id"], "succeeded")

    assert done["error"] is None
    assert begun(server, starved["id"]) == [0, 0, 0]
    assert other["finishedAt"] < done["finishedAt"]


def test_a_finished_job_is_deleted_and_its_results_stay_unless_they_are_to_go(
    client: httpx.Client, media_id: str
) -> None:
    kept, gone = (wait_for(client, submit(client, media_id)["id"], "succeeded") for _ in range(2))

    assert client.delete(f"/v1/jobs/{kept['id']}").status_code == 204
    assert client.delete(f"/v1/jobs/{gone['id']}?results=true").status_code == 204

    items = [one["result"]["media"][0]["id"] for one in (kept, gone)]
    assert [client.get(f"/v1/media/{item}").status_code for item in items] == [200, 404]
    problem_of(client.get(f"/v1/jobs/{kept['id']}"), 404, "not_found")


def test_an_unfinished_job_is_not_deleted(client: httpx.Client, media_id: str) -> None:
    running = submit(client, media_id, params={"steps": 1, "stepSeconds": 30})

    problem_of(client.delete(f"/v1/jobs/{running['id']}"), 409, "conflict")
    client.post(f"/v1/jobs/{running['id']}/cancel").raise_for_status()
