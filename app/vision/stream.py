"""Vision over a WebSocket: frames in, the answer for the newest one out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, WebSocket
from pydantic import BaseModel, Field, create_model
from starlette.websockets import WebSocketState

from app.http.state import ClientDep
from app.vision.messages import Message
from app.vision.params import query_model, read_params
from app.vision.route import VisionDep
from app.vision.session import StreamOptions, StreamRequest
from app.vision.task import VisionTask

FrameRate = Annotated[float | None, Field(gt=0, le=120)]


class WebSocketConnection:
    """A WebSocket as `session.Connection` sees it."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def receive(self) -> Message | None:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        data: bytes | str = message["bytes"] if message.get("bytes") is not None else message["text"]
        return Message(data, message.get("loan"))  # our own front charges large ones (`server.websocket`)

    async def send(self, text: str) -> None:
        if self._websocket.application_state is WebSocketState.CONNECTED:
            await self._websocket.send_text(text)

    async def close(self, code: int, reason: str) -> None:
        if self._websocket.application_state is WebSocketState.CONNECTED:
            await self._websocket.close(code, reason)


def add_stream(router: APIRouter, tasks: dict[str, type[VisionTask]]) -> None:
    """Add one WebSocket route for all tasks."""
    models = {name: _stream_model(task) for name, task in tasks.items()}

    @router.websocket("/{task}/stream")
    async def stream(
        websocket: WebSocket, name: Annotated[str, Path(alias="task")], room: VisionDep, client: ClientDep
    ) -> None:
        task = room.vision.task(name)
        values = {key: value for key, value in websocket.query_params.items() if key != "key"}
        options = _options(task, read_params(models[name], values))

        def configure(present: StreamOptions, change: dict[str, Any]) -> StreamOptions:
            unchanged = models[name].model_construct(**asdict(present.params), max_fps=present.max_fps)
            return _options(task, read_params(models[name], {**unchanged.model_dump(by_alias=True), **change}))

        await websocket.accept()
        await room.streams.serve(WebSocketConnection(websocket), StreamRequest(task, options, configure, client))


def _stream_model(task: type[VisionTask]) -> type[BaseModel]:
    """Return the task's parameters and the stream's own."""
    return create_model(f"{task.Params.__name__}Stream", __base__=query_model(task), max_fps=(FrameRate, None))


def _options(task: type[VisionTask], model: BaseModel) -> StreamOptions:
    values = model.model_dump()
    max_fps = values.pop("max_fps")
    return StreamOptions(task.Params(**values), max_fps)
