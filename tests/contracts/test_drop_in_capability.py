"""A new capability is its own folder, a line that opens it and a line that includes its routes: nothing else knows it.

The folder is written here, below a temporary one. The two lines are in `build_app`: in earnest the first stands in
`app/bootstrap.py`, the second in `app/main.py`.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.settings import Settings

ROOM = '''
"""Everything about echoes that a request may use."""

import asyncio
from dataclasses import dataclass, field

from app.domain.priority import Priority


@dataclass
class EchoRoom:
    core: object
    beats: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    async def echo(self, text, client):
        reserving = self.core.governor.budget.reserve(
            {"text": len(text)}, owner="echo", priority=Priority.REQUEST, client=client
        )
        async with reserving:
            return text.upper()

    async def run(self):
        self.beats.set()
        await asyncio.Event().wait()

    def close(self):
        self.closed = True


async def open_echo(core, stack):
    room = EchoRoom(core)
    stack.callback(room.close)
    await stack.enter_async_context(core.background(room.run))
    return room
'''

ROUTES = '''
"""All routes of this room."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.errors import NotFound
from app.http.problems import GUARDED, problem_responses
from app.http.state import ClientDep, opened


def build_router():
    router = APIRouter(prefix="/v1/echo", tags=["echo"], responses=GUARDED)

    @router.get("/{text}", responses=problem_responses(NotFound))
    async def echo(text: str, room: Annotated[object, Depends(opened("echo"))], client: ClientDep) -> dict[str, str]:
        """Answer with the text, louder."""
        if text == "silence":
            raise NotFound("There is no echo of silence.")
        return {"echo": await room.echo(text, client)}

    return router
'''


@pytest.fixture
def capability(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write the folder of a capability, and return the name of its package."""
    folder = tmp_path / "throwaway_echo"
    folder.mkdir()
    for name, text in (("__init__", ""), ("room", ROOM), ("routes", ROUTES)):
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return folder.name


def build_app(settings: Settings, capability: str) -> FastAPI:
    app = create_app(settings)
    open_house = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with open_house(app) as house, AsyncExitStack() as stack:
            room = importlib.import_module(f"{capability}.room")
            yield {**(house or {}), "echo": await room.open_echo((house or {})["core"], stack)}

    app.router.lifespan_context = lifespan
    app.include_router(importlib.import_module(f"{capability}.routes").build_router())
    return app


async def test_a_capability_that_is_dropped_in_is_served_like_the_others(tmp_path: Path, capability: str) -> None:
    settings = Settings.model_validate({"storage": {"root": tmp_path / "var", "allow_tmpfs": True}})
    app = build_app(settings, capability)

    async with app.router.lifespan_context(app) as state:
        room = (state or {})["echo"]
        async with asyncio.timeout(10):
            await room.beats.wait()  # its background work runs beside the requests
        granted_before = room.core.governor.budget.statistics().granted_total

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        transport = httpx.ASGITransport(app=with_state)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            echo, refused = await client.get("/v1/echo/hello"), await client.get("/v1/echo/silence")
            described = (await client.get("/openapi.json")).json()["paths"]["/v1/echo/{text}"]["get"]["responses"]
        async with asyncio.timeout(5):
            await room.beats.wait()  # its background work runs
        granted = room.core.governor.budget.statistics().granted_total - granted_before

    assert echo.json() == {"echo": "HELLO"}
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert echo.headers["x-request-id"]
    assert refused.json()["requestId"] == refused.headers["x-request-id"]
    assert described.keys() == {"200", "401", "403", "404", "422"}
    assert all("X-Request-Id" in response["headers"] for response in described.values())
    assert granted == 1
    assert room.closed
