"""Every error as problem+json (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Body, FastAPI, Query
from pydantic import BaseModel

from app import errors, log
from app.errors import BallastError, InvalidMedia, Overloaded, Unauthorized
from app.http import problems
from app.http.guards import RequestContext

ALL_ERRORS = BallastError.__subclasses__()

# docs/contract.md, the table of codes.
CONTRACT = {
    "bad_request": 400, "unauthorized": 401, "forbidden": 403, "not_found": 404, "method_not_allowed": 405,
    "conflict": 409, "request_timeout": 408, "precondition_failed": 412, "locked": 423, "checksum_mismatch": 460,
    "payload_too_large": 413, "too_many_pixels": 413, "memory_exceeds_limit": 413, "unsupported_media": 415,
    "range_not_satisfiable": 416, "invalid_media": 422, "invalid_parameter": 422, "queue_full": 429,
    "worker_failed": 500, "overloaded": 503, "model_missing": 503, "processing_timeout": 504, "storage_full": 507,
}  # fmt: skip


class Point(BaseModel):
    x: int


def build_app() -> FastAPI:
    app = FastAPI()
    problems.install(app)

    @app.get("/known")
    async def known() -> None:
        raise InvalidMedia("It is broken.", retry_after_seconds=7, sizeBytes=3)

    @app.get("/unknown")
    async def unknown() -> None:
        raise RuntimeError("/secret/path and key=abc")

    @app.get("/number")
    async def number(size: Annotated[int, Query(ge=1)]) -> int:
        return size

    @app.post("/point")
    async def point(point: Annotated[Point, Body()]) -> Point:
        return point

    @app.delete("/point")
    async def no_point() -> None:
        return

    app.add_middleware(RequestContext)
    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert (answer.status_code, document["status"], document["code"]) == (status, status, code)
    return document


def test_codes_and_statuses_are_those_of_the_contract() -> None:
    ours = {error.code: error.status for error in ALL_ERRORS}

    assert {code: ours.get(code) for code in CONTRACT} == CONTRACT
    assert len(ours) == len(ALL_ERRORS)


@pytest.mark.parametrize("cls", ALL_ERRORS, ids=lambda cls: cls.code)
def test_every_error_becomes_a_problem_with_every_member(cls: type[BallastError]) -> None:
    token = log.request_id.set("r-1")
    try:
        response = problems.problem_response(cls("What happened."))
    finally:
        log.request_id.reset(token)

    document = json.loads(bytes(response.body))
    assert response.status_code == cls.status
    assert response.media_type == "application/problem+json"
    assert document == {
        "type": f"urn:ballast:problem:{cls.code}", "title": cls.title, "status": cls.status, "detail": "What happened.",
        "code": cls.code, "requestId": "r-1",
    }  # fmt: skip


def test_further_members_stand_beside_the_others() -> None:
    document = problems.problem(Overloaded("Tight.", neededBytes=7, freeBytes=3))

    assert (document["neededBytes"], document["freeBytes"]) == (7, 3)


@pytest.mark.parametrize("cls", [errors.QueueFull, Overloaded, errors.ModelMissing])
@pytest.mark.parametrize(("seconds", "expected"), [(None, 1), (0, 1), (7, 7)])
def test_who_may_come_back_is_told_when(cls: type[BallastError], seconds: int | None, expected: int) -> None:
    response = problems.problem_response(cls("Tight.", retry_after_seconds=seconds))

    assert int(response.headers["retry-after"]) >= expected


def test_who_need_not_come_back_is_told_nothing() -> None:
    assert "retry-after" not in problems.problem_response(InvalidMedia("It is broken.")).headers


def test_a_missing_key_names_the_scheme() -> None:
    assert problems.problem_response(Unauthorized("No.")).headers["www-authenticate"] == "Bearer"


def test_text_beyond_ascii_is_utf_8() -> None:
    response = problems.problem_response(InvalidMedia("größer als \u2603"))

    assert json.loads(bytes(response.body))["detail"] == "größer als \u2603"


def test_responses_of_one_status_are_described_together() -> None:
    described = problems.problem_responses(errors.PayloadTooLarge, errors.TooManyPixels, errors.NotFound)

    assert described.keys() == {413, 404}
    assert "payload_too_large" in described[413]["description"]
    assert "too_many_pixels" in described[413]["description"]
    assert described[413]["content"].keys() == {"application/problem+json"}


async def test_an_error_of_a_route_is_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.get("/known")

    assert problem(answer, 422, "invalid_media")["sizeBytes"] == 3
    assert answer.headers["retry-after"] == "7"


async def test_an_error_that_nobody_foresaw_tells_nothing_but_its_id(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = await client.get("/unknown")

    document = problem(answer, 500, "internal_error")
    assert document["requestId"] == answer.headers["x-request-id"]
    assert "secret" not in answer.text
    assert "RuntimeError" not in answer.text
    assert "secret" in caplog.text


@pytest.mark.parametrize("query", ["", "?size=0", "?size=x", "?size=%ff"])
async def test_a_wrong_parameter_is_named(client: httpx.AsyncClient, query: str) -> None:
    document = problem(await client.get(f"/number{query}"), 422, "invalid_parameter")

    assert document["detail"].startswith("query.size: ")
    assert document["errors"][0]["where"] == ["query", "size"]


async def test_a_value_is_not_repeated_in_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.get("/number?size=a-secret")

    assert "a-secret" not in answer.text


async def test_broken_json_is_a_bad_request(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}

    problem(await client.post("/point", content=b'{"x": ', headers=headers), 400, "bad_request")


async def test_json_of_another_shape_is_an_invalid_parameter(client: httpx.AsyncClient) -> None:
    problem(await client.post("/point", json={"y": 1}), 422, "invalid_parameter")


@pytest.mark.parametrize("body", [b"[" * 100_000, b"1" * 10_000, b'"\\ud800"', b"\xff\xfe", b"NaN"])
async def test_hostile_json_is_a_problem_of_the_client(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/point", content=body, headers={"Content-Type": "application/json"})

    assert answer.headers["content-type"] == "application/problem+json"
    assert 400 <= answer.status_code < 500


async def test_what_is_not_there_and_what_is_not_offered_are_problems(client: httpx.AsyncClient) -> None:
    nothing, wrong_method = await client.get("/nothing"), await client.delete("/known")

    problem(nothing, 404, "not_found")
    problem(wrong_method, 405, "method_not_allowed")
    assert wrong_method.headers["allow"] == "GET"


async def test_a_wrong_method_is_told_all_that_the_address_takes(client: httpx.AsyncClient) -> None:
    answers = [await client.request(method, "/point") for method in ("PUT", "OPTIONS", "GET")]

    assert [(answer.status_code, answer.headers["allow"]) for answer in answers] == [(405, "DELETE, POST")] * 3
