"""Requests on the short way are answered as on FastAPI's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.errors import UnsupportedMedia
from app.http import problems
from app.http.shortcut import Shortcut, Shortcuts
from app.vision.params import answer_model
from app.vision.tasks.hands import Hands

QUERY = answer_model(Hands)


async def endpoint(request: Request, params: Any, services: Any, client: str) -> Response:
    body = await request.body()
    if not body:
        raise UnsupportedMedia("The body is empty.")
    return JSONResponse({"size": len(body), "hands": params.max_hands, "client": client, "services": str(services)})


@pytest.mark.parametrize(
    ("query", "expected"),
    [(b"", 2), (b"maxHands=3", 3), (b"maxHands=3&minConfidence=0.2", 3)],
)
def test_parameters_are_read_as_fastapi_reads_them(query: bytes, expected: int) -> None:
    params = Shortcut(endpoint, QUERY).params(query)

    assert params is not None
    assert getattr(params, "max_hands") == expected  # noqa: B009 - the model is made at run time


@pytest.mark.parametrize(
    "query",
    [b"maxHands=0", b"maxHands=many", b"unknown=1", b"maxHands=1&maxHands=2", b"max_hands=3", b"\xff=1", b"maxHands"],
)
def test_what_is_not_plainly_right_goes_fastapis_way(query: bytes) -> None:
    assert Shortcut(endpoint, QUERY).params(query) is None


@pytest.fixture
def client() -> httpx.AsyncClient:
    async def long_way(scope: Any, receive: Any, send: Any) -> None:
        await JSONResponse({"way": "long", "path": scope["path"]})(scope, receive, send)

    app = FastAPI()
    problems.install(app)
    short = Shortcuts(long_way, {"/v1/vision/hands": Shortcut(endpoint, QUERY)})
    services = SimpleNamespace(settings=SimpleNamespace(server=SimpleNamespace(api_keys=[])))

    async def with_state(scope: Any, receive: Any, send: Any) -> None:
        await short({**scope, "state": {"services": services}}, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(with_state), base_url="http://localhost")


async def test_a_plain_request_is_answered_by_the_endpoint(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/vision/hands?maxHands=4", content=b"four")

    assert answer.json()["size"] == 4
    assert answer.json()["hands"] == 4
    assert answer.json()["client"] == "127.0.0.1"


async def test_an_error_of_the_endpoint_is_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/vision/hands")

    assert answer.status_code == 415
    assert answer.headers["content-type"] == problems.MEDIA_TYPE


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/vision/hands"), ("POST", "/v1/vision/pose"), ("POST", "/v1/vision/hands?bad=1")]
)
async def test_everything_else_goes_on(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, path)

    assert answer.json()["way"] == "long"
