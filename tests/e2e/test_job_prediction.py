"""What a job would take as it is ordered, without submitting it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.jobs import PROGRAM, settings, upload
from tests.e2e.server import problem_of, run_server

PREDICTION = "/v1/jobs/prediction"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with run_server(tmp_path_factory.mktemp("jobs"), settings(), program=PROGRAM) as server, server.client() as made:
        yield made


def test_the_parameters_count_and_nothing_is_submitted(client: httpx.Client) -> None:
    order = {"kind": "count", "input": upload(client)}

    few = client.post(PREDICTION, json={**order, "params": {"steps": 3}}).json()
    many = client.post(PREDICTION, json={**order, "params": {"steps": 7}}).json()

    assert (few["steps"], many["steps"]) == (3, 7)
    assert few["predictedBytes"] == 1 << 20
    assert few["problem"] is None
    assert client.get("/v1/jobs").json()["items"] == []


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"kind": "nothing"}, "invalid_parameter"),
        ({"params": {"steps": 0}}, "invalid_parameter"),
        ({"input": "v" + "0" * 21}, "not_found"),
    ],
)
def test_what_cannot_be_done_is_told_in_the_prediction(
    client: httpx.Client, members: dict[str, object], code: str
) -> None:
    order = {"kind": "count", "input": upload(client), **members}

    answer = client.post(PREDICTION, json=order)

    assert answer.status_code == 200
    assert answer.json()["predictedBytes"] is None
    assert answer.json()["problem"]["code"] == code


def test_what_is_no_order_is_refused(client: httpx.Client) -> None:
    problem_of(
        client.post(PREDICTION, content=b"{", headers={"Content-Type": "application/json"}), 422, "invalid_parameter"
    )
    problem_of(client.post(PREDICTION, content=b"", headers={"Content-Type": "application/json"}), 400, "bad_request")


def test_its_address_is_not_that_of_a_job(client: httpx.Client) -> None:
    problem_of(client.delete(PREDICTION), 405, "method_not_allowed")
