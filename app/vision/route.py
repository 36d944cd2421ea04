"""A route of this room: what its endpoint is given, and the short way to it."""

from __future__ import annotations

from typing import Annotated, get_args
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.http.state import client_of, opened
from app.vision.room import VisionRoom

find_room = opened("vision")

VisionDep = Annotated[VisionRoom, Depends(find_room)]


class ShortRoute(APIRoute):
    """Calls `endpoint(request, params, room, client)` itself, past FastAPI's injection of dependencies (record 0022).

    `params` is annotated with a model of the query. Where the query is not plainly right, FastAPI handles the request,
    and says what is wrong.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        model: type[BaseModel] = get_args(self.endpoint.__annotations__["params"])[0]
        params = read_plain(model, scope["query_string"]) if scope["method"] in (self.methods or ()) else None
        if params is None:
            await super().handle(scope, receive, send)
            return
        request = Request(scope, receive)
        response: Response = await self.endpoint(request, params, await find_room(request), await client_of(request))
        await response(scope, receive, send)


def read_plain(model: type[BaseModel], query_string: bytes) -> BaseModel | None:
    """Return the parameters of a query string; None where it is not plainly right."""
    try:
        pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True)
        values = dict(pairs)
        return model.model_validate(values) if len(values) == len(pairs) else None
    except (UnicodeDecodeError, ValidationError):
        return None
