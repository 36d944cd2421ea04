"""Methods: a file may be PUT, as `curl -T` does, and what an address does not take is told with what it takes."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.server import RunningServer, problem_of, run_server
from tests.samples import png

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("service")) as server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.mark.parametrize(
    ("address", "as_posted"),
    [
        ("/v1/media", "/v1/media"),
        ("/v1/media?name=a%20dot.png", "/v1/media?name=a%20dot.png"),
        ("/v1/media/my%20dot.png", "/v1/media?name=my%20dot.png"),
        ("/v1/media/my.png?name=yours.png&inline=never", "/v1/media?name=yours.png&inline=never"),
    ],
)
def test_a_file_that_is_put_is_stored_as_if_it_were_posted(client: httpx.Client, address: str, as_posted: str) -> None:
    answers = [client.put(address, content=png()), client.post(as_posted, content=png())]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].headers["location"] == f"/v1/media/{answers[0].json()['id']}"
    own = ("id", "timestampKey", "path", "url", "createdAt")
    put, posted = ({key: value for key, value in answer.json().items() if key not in own} for answer in answers)
    assert put == posted


def test_an_item_is_not_replaced_by_putting_another_in_its_place(client: httpx.Client) -> None:
    item = client.put("/v1/media/dot.png", content=png()).json()

    taken = client.put(f"/v1/media/{item['id']}", content=png())
    client.delete(f"/v1/media/{item['id']}")
    gone = client.put(f"/v1/media/{item['id']}", content=png())

    assert "POST" in problem_of(taken, 409, "conflict")["detail"]
    problem_of(gone, 404, "not_found")


def test_a_body_that_is_put_elsewhere_is_told_how_to_be_sent(client: httpx.Client) -> None:
    answer = client.put("/v1/vision/hands", content=png())

    detail = problem_of(answer, 405, "method_not_allowed")["detail"]
    assert "POST" in detail
    assert "--data-binary" in detail


def test_each_address_tells_all_methods_that_it_takes_and_no_other(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    described = {path: {method.upper() for method in item} for path, item in paths.items()}

    told = {}
    for path, taken in described.items():
        for method in sorted(set(METHODS) - taken):
            answer = client.request(method, path.replace("{", "").replace("}", ""))
            assert answer.status_code == 405, (method, path)
            told[path, method] = set(answer.headers["allow"].split(", "))

    assert {(path, method): methods for (path, method), methods in told.items() if methods != described[path]} == {}
