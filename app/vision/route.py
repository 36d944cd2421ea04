"""A route of this room: what its endpoint is given, and the short way to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, get_args
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from app.http.state import client_of, opened
from app.vision.room import VisionRoom

find_room = opened("vision")

VisionDep = Annotated[VisionRoom, Depends(find_room)]


class ShortRoute(APIRoute):
    """Calls `endpoint(request, params, room, client)` itself, past FastAPI's injection of dependencies (record 0022).

    `params` is annotated with a model of the query. Where the query is not plainly right, FastAPI handles the request,
    and says what is wrong.
    """

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        by_fastapi = super().get_route_handler()
        endpoint = self.endpoint
        model: type[BaseModel] = get_args(endpoint.__annotations__["params"])[0]

        async def handle(request: Request) -> Response:
            params = read_plain(model, request.scope["query_string"])
            if params is None:
                return await by_fastapi(request)
            response: Response = await endpoint(request, params, await find_room(request), await client_of(request))
            return response

        return handle


def read_plain(model: type[BaseModel], query_string: bytes) -> BaseModel | None:
    """Return the parameters of a query string; None where it is not plainly right."""
    try:
        pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True)
        values = dict(pairs)
        return model.model_validate(values) if len(values) == len(pairs) else None
    except (UnicodeDecodeError, ValidationError):
        return None
