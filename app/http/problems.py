"""Problem details (RFC 9457): the one place where an error becomes a response."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from app import log
from app.errors import (
    PROBLEM_TYPE,
    BadRequest,
    BallastError,
    Forbidden,
    InternalError,
    InvalidParameter,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Unauthorized,
    of_system,
)

logger = logging.getLogger("ballast.api")

_RETRY_SECONDS = 30
"""`Retry-After` where nothing better is known, as for a model that somebody has to install."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "requestId"],
    "properties": {
        "type": {"type": "string", "description": "`urn:ballast:problem:<code>`"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "requestId": {"type": "string"},
    },
    "additionalProperties": True,
    "examples": [
        {
            "type": "urn:ballast:problem:overloaded",
            "title": "Overloaded",
            "status": 503,
            "detail": "There is no memory for this now.",
            "code": "overloaded",
            "requestId": "3e8b7d0f52c14b6c9b1f0a7d4c2e6f81",
            "neededBytes": 92274688,
            "freeBytes": 20971520,
        }
    ],
}


def problem(error: BallastError) -> dict[str, object]:
    """Return the problem document of `error`, for a response body, a stream message or a batch line."""
    return error.problem(log.request_id.get())


def problem_response(error: BallastError, headers: dict[str, str] | None = None) -> Response:
    """Return `error` as application/problem+json, with `Retry-After` where it says when to come back."""
    headers = dict(headers or {})
    if error.status in (429, 503) or error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds or _RETRY_SECONDS)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = json.dumps(problem(error), ensure_ascii=False).encode()
    return Response(body, error.status, headers, PROBLEM_TYPE)


def problem_responses(*errors: type[BallastError]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI `responses` for these errors."""
    by_status: dict[int | str, list[str]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(f"`{error.code}`: {error.title}.")
    return {
        status: {
            "description": " ".join(lines),
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, lines in by_status.items()
    }


GUARDED = problem_responses(Unauthorized, Forbidden, InvalidParameter)
"""What every route that is not open to all can answer."""


def validation_problem(errors: Sequence[Any]) -> BallastError:
    """Return what pydantic found wrong with a query, a body or a message: the first error as `detail`, all as `errors`.

    No value that a client sent is repeated.
    """
    if any(error["type"] == "json_invalid" for error in errors):
        return BadRequest("The body is not valid JSON.")
    issues = [{"where": list(error["loc"]), "message": error["msg"]} for error in errors]
    where = ".".join(str(step) for step in issues[0]["where"]) or "body"
    return InvalidParameter(f"{where}: {issues[0]['message']}", errors=issues)


def install(app: FastAPI) -> None:
    """Answer every exception of a route with a problem."""
    app.add_exception_handler(BallastError, _answer_ballast_error)
    app.add_exception_handler(RequestValidationError, _answer_validation_error)
    app.add_exception_handler(HTTPException, _answer_http_exception)


def unexpected(error: Exception) -> BallastError:
    """Log an unexpected exception, and return what the client may know of it: where the system has no room, that."""
    if (known := of_system(error)) is not None:
        logger.error("the system refused: %s", error)
        return known
    logger.error("unexpected %s", type(error).__name__, exc_info=error)
    return InternalError("An unexpected error occurred. The request id finds it in the log.")


async def _answer_ballast_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, BallastError)
    return problem_response(error)


async def _answer_validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem_response(validation_problem(error.errors()))


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 204:  # no problem: who listens to events is told that there are no more
        return Response(status_code=204, headers=headers)
    if error.status_code == 405:
        methods = _allowed_methods(request)
        headers["Allow"] = ", ".join(methods)
        return problem_response(MethodNotAllowed(_instead(request.method, methods)), headers)
    known: dict[int, type[BallastError]] = {404: NotFound, 413: PayloadTooLarge}
    cls = known.get(error.status_code, BadRequest if error.status_code < 500 else InternalError)
    return problem_response(cls(f"{error.detail}."), headers)


def _instead(method: str, methods: list[str]) -> str:
    """Return what to use at an address that does not take `method`: people send files with `curl -T`, which is PUT."""
    if method == "PUT" and "POST" in methods:
        return "Send the same body with POST (curl: `--data-binary @FILE` instead of `-T FILE`)."
    return f"{method} is not for this address; use {' or '.join(methods)}."


def _allowed_methods(request: Request) -> list[str]:
    """Return what an address takes (RFC 9110, section 10.2.1), by all its routes; Starlette would name the first's."""
    routes = iter_route_contexts(request.app.routes)
    matching = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in matching for method in route.methods or ()})
