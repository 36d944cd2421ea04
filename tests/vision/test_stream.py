"""The WebSocket route: what it hands to the service, and what it refuses before it accepts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from app.errors import InvalidParameter, NotFound
from app.http import problems
from app.http.guards import RequestContext
from app.vision.session import StreamOptions, StreamRequest
from app.vision.stream import add_stream
from app.vision.task import vision_tasks
from tests.serving import serve

TASKS = vision_tasks()


class FakeStreams:
    """Keeps what it was given, and sends back what each message was, or closes."""

    def __init__(self) -> None:
        self.given: list[StreamRequest] = []

    async def serve(self, connection: Any, request: StreamRequest) -> None:
        self.given.append(request)
        while (message := await connection.receive()) is not None:
            if message.data == "close":
                await connection.close(4408, "enough")
                await connection.send("this goes nowhere")
                await connection.close(1000, "nor this")
                return
            await connection.send(f"{type(message.data).__name__}:{len(message.data)}")


class FakeVision:
    tasks = TASKS

    def task(self, name: str) -> Any:
        if name not in TASKS:
            raise NotFound("There is no task of this name.")
        return TASKS[name]


@pytest.fixture(scope="module")
def streams() -> FakeStreams:
    return FakeStreams()


@pytest.fixture(scope="module")
def url(streams: FakeStreams) -> Iterator[str]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        yield {"vision": SimpleNamespace(vision=FakeVision(), streams=streams)}

    app = FastAPI(lifespan=lifespan)
    problems.install(app)
    router = APIRouter(prefix="/v1/vision")
    add_stream(router, TASKS)
    app.include_router(router)
    app.add_middleware(RequestContext)
    with serve(app) as port:
        yield f"ws://127.0.0.1:{port}/v1/vision"


@pytest.fixture(autouse=True)
def _forget(streams: FakeStreams) -> None:
    streams.given.clear()


def options_of(url: str, streams: FakeStreams, query: str) -> Any:
    with connect(f"{url}/hands/stream{query}") as socket:
        socket.send("ready?")
        socket.recv(timeout=5)
    return streams.given[-1].options


def refusal(url: str) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as caught, connect(url):
        pass
    response = caught.value.response
    return response.status_code, json.loads(response.body or b"")


def test_messages_come_as_they_were_sent(url: str) -> None:
    with connect(f"{url}/hands/stream") as socket:
        for message in (b"", b"abc", "", "é"):
            socket.send(message)

        assert [socket.recv(timeout=5) for _ in range(4)] == ["bytes:0", "bytes:3", "str:0", "str:1"]


def test_after_a_close_nothing_is_sent(url: str) -> None:
    with connect(f"{url}/hands/stream") as socket:
        socket.send("close")

        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(timeout=5)

    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4408, "enough")


@pytest.mark.parametrize("task", TASKS)
def test_every_task_can_be_streamed(url: str, streams: FakeStreams, task: str) -> None:
    with connect(f"{url}/{task}/stream") as socket:
        socket.send("ready?")
        socket.recv(timeout=5)

    request = streams.given[0]
    assert request.task is TASKS[task]
    assert request.options == StreamOptions(TASKS[task].Params(), None)
    assert request.client


def test_parameters_come_with_the_address_and_the_key_is_none_of_them(url: str, streams: FakeStreams) -> None:
    options = options_of(url, streams, "?maxHands=1&maxFps=7.5&key=secret")

    assert (options.params.max_hands, options.max_fps) == (1, 7.5)


@pytest.mark.parametrize(
    "query", ["maxHands=0", "maxFps=0", "maxFps=nan", "maxFps=121", "other=1", "max_hands=1", "maxFps="]
)
def test_a_wrong_parameter_is_refused_before_the_stream_is_accepted(url: str, streams: FakeStreams, query: str) -> None:
    status, document = refusal(f"{url}/hands/stream?{query}")

    assert (status, document["code"]) == (422, "invalid_parameter")
    assert streams.given == []


def test_an_unknown_task_is_refused_before_the_stream_is_accepted(url: str, streams: FakeStreams) -> None:
    status, document = refusal(f"{url}/toes/stream")

    assert (status, document["code"]) == (404, "not_found")
    assert streams.given == []


def test_a_change_keeps_what_it_does_not_name(url: str, streams: FakeStreams) -> None:
    present = options_of(url, streams, "?maxHands=1&maxFps=5")
    configure = streams.given[-1].configure

    changed = configure(present, {"minConfidence": 0.9})
    unlimited = configure(changed, {"maxFps": None})

    assert (changed.params.max_hands, changed.params.min_confidence, changed.max_fps) == (1, 0.9, 5)
    assert (unlimited.params, unlimited.max_fps) == (changed.params, None)


@pytest.mark.parametrize(
    "change", [{"maxHands": 99}, {"maxHands": []}, {"x": 1}, {"key": "k"}, {"maxFps": float("nan")}]
)
def test_a_wrong_change_is_refused(url: str, streams: FakeStreams, change: dict[str, Any]) -> None:
    present = options_of(url, streams, "")
    configure = streams.given[-1].configure

    with pytest.raises(InvalidParameter):
        configure(present, change)
