"""Which routes there are, and with which statuses each may answer, as the description of the API tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts

_CONVERTOR = re.compile(r"(?<=\w):\w+(?=})")
"""What a parameter in a path may look like (`{job_id:job_id}`): nobody outside needs to know."""

_WEBSOCKET_STATUSES = frozenset({101, 401, 403, 404, 503})


@dataclass(frozen=True, slots=True)
class DocumentedRoute:
    """One method of one route: `endpoint` is what a request's scope has, `template` its path without what differs."""

    endpoint: object
    template: str
    method: str
    statuses: frozenset[int]


def documented_routes(app: FastAPI) -> Iterator[DocumentedRoute]:
    """Yield each method of each route; a WebSocket is a GET, as its handshake is."""
    for context in iter_route_contexts(app.routes):
        methods = sorted(context.methods or ())
        template = _CONVERTOR.sub("", context.path or "")
        statuses = _statuses(context) if methods else _WEBSOCKET_STATUSES
        for method in methods or ["GET"]:
            yield DocumentedRoute(context.endpoint, template, method, statuses)


def _statuses(context: RouteContext) -> frozenset[int]:
    told = [status for status in getattr(context, "responses", None) or {} if str(status).isdigit()]
    return frozenset({getattr(context, "status_code", None) or 200, *map(int, told)})
