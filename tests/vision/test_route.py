"""The short way to an endpoint: it answers as FastAPI's way does, whatever is sent."""

from __future__ import annotations

from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from app.errors import UnsupportedMedia
from app.http import problems
from app.http.guards import CLIENT_KEY
from app.http.state import ClientDep
from app.vision.params import answer_model
from app.vision.route import ShortRoute, VisionDep, read_plain
from app.vision.tasks.hands import Hands

QUERY = answer_model(Hands)

RIGHT = ["", "maxHands=3", "maxHands=3&minConfidence=0.2", "cache=false&annotate=1", "max%48ands=3", "maxHands=+3"]
WRONG = [
    "maxHands=0", "maxHands=many", "unknown=1", "max_hands=3", "maxHands=", "maxHands", "%ff=1", "cache=perhaps",
    "maxHands=0&minConfidence=7",
]  # fmt: skip
TWICE = "maxHands=1&maxHands=2"
"""FastAPI takes the last one: not for the short way to decide."""


async def endpoint(
    request: Request, params: Annotated[BaseModel, Query()], room: VisionDep, client: ClientDep
) -> Response:
    body = await request.body()
    if not body:
        raise UnsupportedMedia("The body is empty.")
    return JSONResponse({"size": len(body), "params": params.model_dump(), "room": str(room), "client": client})


endpoint.__annotations__["params"] = Annotated[QUERY, Query()]


def build_client(route_class: type[APIRoute]) -> httpx.AsyncClient:
    app = FastAPI()
    problems.install(app)
    router = APIRouter()
    router.add_api_route("/hands", endpoint, methods=["POST"], route_class_override=route_class)
    app.include_router(router)

    async def with_state(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "state": {"vision": "the room"}, CLIENT_KEY: "key 1"}, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(with_state), base_url="http://localhost")


@pytest.mark.parametrize("query", RIGHT)
def test_what_is_plainly_right_takes_the_short_way(query: str) -> None:
    assert read_plain(QUERY, query.encode()) is not None


@pytest.mark.parametrize("query", [*WRONG, TWICE, "\xff=1"])
def test_what_is_not_plainly_right_does_not(query: str) -> None:
    assert read_plain(QUERY, query.encode("latin-1")) is None


@pytest.mark.parametrize("body", [b"four", b""])
@pytest.mark.parametrize("query", [*RIGHT, *WRONG, TWICE])
async def test_both_ways_answer_the_same(query: str, body: bytes) -> None:
    url = f"/hands?{query}"
    async with build_client(ShortRoute) as short, build_client(APIRoute) as long:
        answer, expected = await short.post(url, content=body), await long.post(url, content=body)

    assert (answer.status_code, answer.headers, answer.content) == (
        expected.status_code,
        expected.headers,
        expected.content,
    )
    assert answer.status_code == (422 if query in WRONG else 200 if body else 415)


async def test_the_endpoint_is_given_the_room_and_the_client() -> None:
    async with build_client(ShortRoute) as client:
        answer = (await client.post("/hands?maxHands=4", content=b"four")).json()

    assert (answer["params"]["max_hands"], answer["room"], answer["client"]) == (4, "the room", "key 1")


async def test_the_way_is_short_only_where_the_query_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    by_fastapi: list[str] = []

    def get_route_handler(_route: APIRoute) -> Any:
        async def handle(request: Request) -> Response:
            by_fastapi.append(request.url.query)
            return Response()

        return handle

    monkeypatch.setattr(APIRoute, "get_route_handler", get_route_handler)
    async with build_client(ShortRoute) as client:
        for query in ("maxHands=3", "maxHands=0"):
            await client.post(f"/hands?{query}", content=b"four")

    assert by_fastapi == ["maxHands=0"]
