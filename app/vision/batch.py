"""Many pictures in one request, answered as NDJSON: one line a picture, in order of completion."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, WithJsonSchema
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.core import Core
from app.domain.units import KIB, MIB
from app.errors import (
    BadRequest,
    InvalidParameter,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    RequestTimeout,
    UnsupportedMedia,
)
from app.http.bodies import files_body
from app.http.body import Arrival, plain_body
from app.http.multipart import file_parts
from app.http.problems import SCHEMA, problem_responses
from app.http.state import ClientDep, opened
from app.media.content import UntilSent
from app.settings import UploadSettings
from app.vision.batches import MAX_PICTURES, Batch, Batches, PictureSource, sent_picture
from app.vision.media_list import listed_ids, receive_list
from app.vision.params import batch_model, read_request
from app.vision.route import VisionDep
from app.vision.schema import BatchResultSchema
from app.vision.task import VisionTask

_EARLY_BYTES = 64 * KIB
"""How much is sent while the client is still sending: what a client that reads only afterwards has room for."""

_RETRY_SECONDS = 5

_MAX_LIST_BYTES = 4 * MIB

_LIST_SCHEMA: dict[str, Any] = {
    "title": "MediaIds",
    "type": "object",
    "description": "Stored pictures, by their media ids.",
    "required": ["media"],
    "properties": {"media": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MAX_PICTURES}},
    "additionalProperties": False,
}

_PROBLEM_LINE = {
    **SCHEMA,
    "title": "ProblemLine",
    "required": ["index", *SCHEMA["required"]],
    "properties": {"index": {"type": ["integer", "null"]}, **SCHEMA["properties"]},
    "examples": [{"index": 7, **example} for example in SCHEMA["examples"]],
}

_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A line a picture, in order of completion: `index` (from 0, as they were sent) with a result or "
        "a problem. A problem with `index: null` says why the request could not be read to its end.",
        "model": list[BatchResultSchema | Annotated[dict[str, Any], WithJsonSchema(_PROBLEM_LINE)]],
    },
    **problem_responses(BadRequest, RequestTimeout, PayloadTooLarge, UnsupportedMedia, InvalidParameter, NotFound),
}


def add_batch(router: APIRouter, task: type[VisionTask]) -> None:
    """Add the batch route of a task."""

    async def analyze_batch(
        request: Request,
        params: Annotated[BaseModel, Query()],
        core: Annotated[Core, Depends(opened("core"))],
        room: VisionDep,
        client: ClientDep,
        until_sent: UntilSent,
    ) -> Response:
        asked = read_request(task, params, client)
        arrival = Arrival(request.receive)
        sources = _sources(Request(request.scope, arrival.receive), core.settings.upload, room.batches, client)
        until_sent.push_async_callback(sources.aclose)
        first = await anext(sources, None)
        if first is None:
            raise BadRequest("The form has no file.")
        return BatchResponse(room.batches.open(asked), _joined(first, sources), arrival, core.lifecycle.time_is_over)

    # FastAPI reads the parameters from the annotation, which differs from task to task.
    analyze_batch.__annotations__["params"] = Annotated[batch_model(task), Query()]
    router.add_api_route(
        f"/{task.name}/batch",
        analyze_batch,
        methods=["POST"],
        name=f"analyze_{task.name.replace('-', '_')}_batch",
        summary=f"The same for many pictures: {task.summary}",
        status_code=200,
        response_class=BatchResponse,
        responses=_RESPONSES,
        openapi_extra=files_body("The pictures as files, or stored ones by their ids.", _LIST_SCHEMA),
    )


class BatchResponse(Response):
    """Sends lines as they come, while the request is still being read.

    A client that sends everything before it reads gets the first 64 KiB into its socket's buffer and the rest from the
    disk afterwards: neither side ever waits for the other.
    """

    media_type = "application/x-ndjson"

    def __init__(
        self,
        batch: AbstractAsyncContextManager[Batch],
        sources: AsyncIterator[PictureSource],
        arrival: Arrival,
        time_is_over: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        """`time_is_over` returns when the service ends, and what is not answered yet will not be."""
        super().__init__()
        del self.headers["content-length"]
        self._batch = batch
        self._sources = sources
        self._arrival = arrival
        self._time_is_over = time_is_over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        async with self._batch as batch:
            work = asyncio.create_task(batch.run(self._sources), name="batch")
            watch = asyncio.create_task(_watch(self._arrival, work), name="batch-watch")
            end = asyncio.create_task(self._time_is_over(), name="batch-end")
            end.add_done_callback(lambda done: None if done.cancelled() else batch.cut(work, _ending()))
            try:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                await _send_lines(batch, send)
                await asyncio.wait((work,))
                if not work.cancelled():
                    work.result()
                if not work.cancelled() or end.done():  # else the client has gone
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                for task in (work, watch, end):
                    task.cancel()
                await asyncio.gather(work, watch, end, return_exceptions=True)


def _ending() -> Overloaded:
    return Overloaded("The service is shutting down.", retry_after_seconds=_RETRY_SECONDS)


async def _watch(arrival: Arrival, work: asyncio.Task[None]) -> None:
    """End the work when the client goes away; while the request is read, reading it tells."""
    await arrival.whole.wait()
    while (await arrival.receive())["type"] != "http.disconnect":
        pass
    work.cancel()


async def _send_lines(batch: Batch, send: Send) -> None:
    sent_bytes = 0
    async for piece in batch.lines.pieces():
        sent_bytes += len(piece)
        if sent_bytes > _EARLY_BYTES:
            await batch.all_taken.wait()
        await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _sources(
    request: Request, upload: UploadSettings, batches: Batches, client: str
) -> AsyncGenerator[PictureSource]:
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() == "application/json":
        body = plain_body(request, max_bytes=_MAX_LIST_BYTES, idle_seconds=upload.idle_seconds)
        async with batches.list(client) as entries:
            await receive_list(body, entries, MAX_PICTURES)
            async for media_id in listed_ids(entries):
                yield batches.stored_picture(media_id)
    else:
        body = plain_body(request, max_bytes=upload.max_bytes, idle_seconds=upload.idle_seconds)
        async for part in file_parts(body, content_type, MAX_PICTURES):
            yield sent_picture(part.chunks)


async def _joined(first: PictureSource, others: AsyncIterator[PictureSource]) -> AsyncIterator[PictureSource]:
    yield first
    async for source in others:
        yield source
