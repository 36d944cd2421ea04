"""Clients that go while their request waits, or at any other moment: their waiter, files and bytes go with them.

The front cancels a request whose client has gone (0.5 s after `http.disconnect`, where it has not ended by itself).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from app.bootstrap import House
from app.main import create_app
from app.memory.reservation import Reservation
from app.settings import MemorySettings, ModelSettings, Settings, StorageSettings
from tests.leaks import Leaks
from tests.samples import form, mp4, png
from tests.workers.pools import until

FORM = "multipart/form-data; boundary=b0undary"
PICTURE = png(64, 48)
MOMENTS = [*range(30), 40, 60, 100, 200]
"""After how many turns of the loop a client goes."""


@dataclass
class Exchange:
    """One request as a server gives it to the application: `pieces` of a body, then nothing until the client goes."""

    app: FastAPI
    state: dict[str, Any]
    sent: list[dict[str, Any]] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def start(
        self, method: str, path: str, *pieces: bytes, whole: bool = True, headers: dict[str, str] | None = None
    ) -> asyncio.Task[None]:
        pieces = pieces or (b"",)
        self._messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        self._messages[-1]["more_body"] = not whole
        route, _, query = path.partition("?")
        fields = {"host": "127.0.0.1", **(headers or {})}
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": method,
            "scheme": "http", "path": route, "raw_path": route.encode(), "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": dict(self.state),
        }  # fmt: skip
        return asyncio.create_task(self._run(scope))

    async def _run(self, scope: dict[str, Any]) -> None:
        await self.app(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        if self._messages:
            return self._messages.pop(0)
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def document(self) -> Any:
        return json.loads(b"".join(message.get("body", b"") for message in self.sent))


@dataclass
class Service:
    app: FastAPI
    house: House
    root: Path

    def exchange(self) -> Exchange:
        return Exchange(self.app, {name: getattr(self.house, name) for name in ("core", "media", "vision", "status")})

    async def store(self, data: bytes) -> str:
        exchange = self.exchange()
        await exchange.start("POST", "/v1/media?inline=never", data)
        media_id: str = exchange.document["id"]
        return media_id

    async def open_upload(self) -> str:
        exchange = self.exchange()
        headers = {"tus-resumable": "1.0.0", "upload-length": "5000"}
        await exchange.start("POST", "/v1/uploads", headers=headers)
        (location,) = [value for name, value in exchange.sent[0]["headers"] if name == b"location"]
        return str(location.decode())

    def take_everything(self) -> Reservation:
        """Leave no bytes for anybody."""
        budget = self.house.core.governor.budget
        return budget.record({"all": max(0, budget.free_bytes)}, owner="test")

    @property
    def waiting(self) -> int:
        return self.house.core.governor.budget.statistics().waiting

    def what_is_left(self) -> list[str]:
        holders = [holder.owner for holder in self.house.core.governor.budget.statistics().holders]
        left = [
            owner for owner in holders if owner not in ("api", "cache", "connections", "test", "resumable", "storage")
        ]
        return left + ["a waiter"] * self.waiting + [path.name for path in (self.root / "tmp").iterdir()]


@pytest.fixture
async def service(tmp_path: Path, leaks: Leaks) -> AsyncIterator[Service]:
    settings = Settings(
        memory=MemorySettings(limit=8 << 30),
        models=ModelSettings(dir=tmp_path / "none"),  # a model that is loaded stays, whoever wanted it
        storage=StorageSettings(root=tmp_path / "var", allow_tmpfs=True, free_floor=0),
    )
    app = create_app(settings)
    async with app.router.lifespan_context(app) as state:
        house = House(**state)  # type: ignore[arg-type]
        leaks.watch(house.core.governor.budget)
        yield Service(app, house, tmp_path / "var")


async def ask(service: Service, what: str, exchange: Exchange) -> asyncio.Task[None]:
    """Begin one of the requests that can wait for memory."""
    if what == "photo":
        return exchange.start("POST", "/v1/vision/hands", PICTURE)
    if what == "form":
        headers = {"content-type": FORM}
        body = form(*[("file", PICTURE)] * 5)
        return exchange.start("POST", "/v1/vision/hands/batch", body, headers=headers)
    if what == "half a form":
        headers = {"content-type": FORM}
        return exchange.start(
            "POST", "/v1/vision/hands/batch", form(("file", PICTURE))[:300], whole=False, headers=headers
        )
    if what == "list":
        media_id = await service.store(PICTURE)
        headers = {"content-type": "application/json"}
        return exchange.start(
            "POST", "/v1/vision/hands/batch", json.dumps({"media": [media_id] * 5}).encode(), headers=headers
        )
    if what == "upload":
        return exchange.start("POST", "/v1/media", mp4(5000), whole=False)
    if what == "download":
        return exchange.start("GET", f"/v1/media/{await service.store(PICTURE)}/content")
    assert what == "resumed upload"
    headers = {"tus-resumable": "1.0.0", "upload-offset": "0", "content-type": "application/offset+octet-stream"}
    return exchange.start("PATCH", await service.open_upload(), mp4(5000), whole=False, headers=headers)


KINDS = ["photo", "form", "half a form", "list", "upload", "download", "resumed upload"]


async def ended(request: asyncio.Task[None]) -> None:
    async with asyncio.timeout(5):
        await asyncio.gather(request, return_exceptions=True)


@pytest.mark.parametrize("what", KINDS)
async def test_a_request_that_is_cancelled_while_it_waits_for_memory_leaves_nothing(
    service: Service, what: str
) -> None:
    exchange = service.exchange()
    if what in ("list", "download"):
        await service.store(PICTURE)
    request = None
    taken = None
    if what in ("list", "download", "resumed upload"):  # what they need must be stored first
        request = await ask(service, what, exchange)
        taken = service.take_everything()
    else:
        taken = service.take_everything()
        request = await ask(service, what, exchange)
    await until(lambda: service.waiting > 0)

    request.cancel()
    await ended(request)

    assert service.what_is_left() == []
    taken.release()


@pytest.mark.parametrize("what", ["form", "list"])
async def test_a_batch_whose_client_leaves_after_sending_ends_by_itself(service: Service, what: str) -> None:
    exchange = service.exchange()
    request = await ask(service, what, exchange)
    taken = service.take_everything()
    await until(lambda: service.waiting > 0)

    exchange.gone.set()

    await ended(request)
    assert service.what_is_left() == []
    taken.release()


@pytest.mark.parametrize("what", KINDS)
async def test_a_request_that_is_cancelled_at_any_moment_leaves_nothing(service: Service, what: str) -> None:
    for turns in MOMENTS:
        request = await ask(service, what, service.exchange())
        for _ in range(turns):
            await asyncio.sleep(0)

        request.cancel()
        await ended(request)

        assert service.what_is_left() == [], turns


async def test_a_listener_that_is_cancelled_leaves_nothing(service: Service) -> None:
    exchange = service.exchange()
    request = exchange.start("GET", "/v1/memory/events")
    await until(lambda: len(exchange.sent) > 1)

    request.cancel()
    await ended(request)

    assert service.what_is_left() == []
    assert service.house.status.audience.size == 0
