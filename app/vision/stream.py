"""Vision over a WebSocket: frames in, the answer for the newest one out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, WebSocket
from pydantic import BaseModel, Field, create_model
from starlette.websockets import WebSocketState

from app.http.state import ClientDep, opened
from app.vision.params import query_model, read_params
from app.vision.room import VisionRoom
from app.vision.session import StreamOptions
from app.vision.task import VisionTask

VisionDep = Annotated[VisionRoom, Depends(opened("vision"))]

FrameRate = Annotated[float | None, Field(gt=0, le=120)]


class WebSocketConnection:
    """A WebSocket as `services.streams` sees it."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def receive(self) -> bytes | str | None:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        data: bytes | str = message["bytes"] if message.get("bytes") is not None else message["text"]
        return data

    async def send(self, text: str) -> None:
        if self._websocket.application_state is WebSocketState.CONNECTED:
            await self._websocket.send_text(text)

    async def close(self, code: int, reason: str) -> None:
        if self._websocket.application_state is WebSocketState.CONNECTED:
            await self._websocket.close(code, reason)


def build_router(tasks: dict[str, type[VisionTask]]) -> APIRouter:
    """Return one WebSocket route for all tasks."""
    models = {name: _stream_model(task) for name, task in tasks.items()}
    router = APIRouter()

    @router.websocket("/v1/vision/{name}/stream")
    async def stream(websocket: WebSocket, name: str, vision: VisionDep, client: ClientDep) -> None:
        task = vision.vision.task(name)
        values = {key: value for key, value in websocket.query_params.items() if key != "key"}
        options = _options(task, read_params(models[name], values))

        def configure(present: StreamOptions, change: dict[str, Any]) -> StreamOptions:
            return _options(task, read_params(models[name], {**_values(models[name], present), **change}))

        await websocket.accept()
        await vision.streams.serve(WebSocketConnection(websocket), task, options, configure, client)

    return router


def _stream_model(task: type[VisionTask]) -> type[BaseModel]:
    """Return the task's parameters and the stream's own."""
    base = query_model(task)
    return create_model(f"{task.Params.__name__}Stream", __base__=base, max_fps=(FrameRate, None))


def _options(task: type[VisionTask], model: BaseModel) -> StreamOptions:
    values = model.model_dump()
    max_fps = values.pop("max_fps")
    return StreamOptions(task.Params(**values), max_fps)


def _values(model: type[BaseModel], options: StreamOptions) -> dict[str, Any]:
    """Return the present options under their outside names."""
    return {
        field.alias or name: options.max_fps if name == "max_fps" else getattr(options.params, name)
        for name, field in model.model_fields.items()
    }
