"""Many pictures in one request, answered as NDJSON: one line a picture, in order of completion."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.core import Core
from app.domain.units import KIB, MIB
from app.errors import BadRequest, BallastError, InvalidParameter, NotFound, RequestTimeout, UnsupportedMedia
from app.http.body import plain_body
from app.http.multipart_files import file_parts
from app.http.problems import GUARDED, problem, problem_responses
from app.http.state import ClientDep, opened
from app.settings import UploadSettings
from app.storage.spool import Spool
from app.vision.analysis import AnalysisRequest
from app.vision.batches import MAX_PICTURES, Batches, PictureSource, SentPicture
from app.vision.params import batch_model, to_params
from app.vision.room import VisionRoom
from app.vision.task import VisionTask

MEDIA_TYPE = "application/x-ndjson"

_EARLY_BYTES = 64 * KIB
"""How much is sent while the client is still sending: what a client that reads only afterwards has room for."""

_MAX_LIST_BYTES = 4 * MIB


class BatchOfMedia(BaseModel):
    """Stored pictures, by their media ids."""

    model_config = ConfigDict(extra="forbid")

    media: list[str] = Field(min_length=1, max_length=MAX_PICTURES)


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}
                    },
                }
            },
            "application/json": {"schema": BatchOfMedia.model_json_schema()},
        },
    }
}

_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A line a picture: `index` (from 0, as they were sent) with a result or a problem.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    },
    **problem_responses(BadRequest, RequestTimeout, UnsupportedMedia, InvalidParameter, NotFound),
}


def build_router(tasks: dict[str, type[VisionTask]]) -> APIRouter:
    """Return one typed batch route for each task."""
    router = APIRouter(prefix="/v1/vision", tags=["vision"], responses=GUARDED)
    for task in tasks.values():
        _add_task(router, task)
    return router


def _add_task(router: APIRouter, task: type[VisionTask]) -> None:
    async def analyze_batch(
        request: Request,
        params: Annotated[BaseModel, Query()],
        core: Annotated[Core, Depends(opened("core"))],
        vision: Annotated[VisionRoom, Depends(opened("vision"))],
        client: ClientDep,
    ) -> Response:
        sources = _sources(request, core.settings.upload, vision.batches)
        first = await anext(sources, None)
        if first is None:
            raise BadRequest("The form has no file.")

        async def run(spool: Spool, all_taken: asyncio.Event) -> None:
            may_reuse = getattr(params, "cache", True)
            asked = AnalysisRequest(task, to_params(task, params), client, may_reuse=may_reuse)
            await vision.batches.run(asked, _joined(first, sources), spool, _describe, all_taken)

        return BatchResponse(vision.batches.spool, run, core.lifecycle.drained)

    analyze_batch.__annotations__["params"] = Annotated[batch_model(task), Query()]
    router.add_api_route(
        f"/{task.name}/batch",
        analyze_batch,
        methods=["POST"],
        name=f"analyze_{task.name.replace('-', '_')}_batch",
        summary=f"The same for many pictures: {task.summary}",
        response_class=Response,
        responses=_ANSWER,
        openapi_extra=_BODY,
    )


class BatchResponse(Response):
    """Sends lines as they come, while the request is still being read.

    A client that sends everything before it reads gets the first 64 KiB into its socket's buffer and the rest from the
    spool afterwards: neither side ever waits for the other.
    """

    def __init__(
        self,
        open_spool: Callable[[], AbstractAsyncContextManager[Spool]],
        run: Callable[[Spool, asyncio.Event], Awaitable[None]],
        drained: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        super().__init__(media_type=MEDIA_TYPE)
        del self.headers["content-length"]
        self._open_spool = open_spool
        self._run = run
        self._drained = drained

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        all_taken = asyncio.Event()
        async with self._open_spool() as spool:
            work = asyncio.create_task(self._work(spool, all_taken), name="batch")
            watch = asyncio.create_task(_watch(receive, all_taken, work), name="batch-watch")
            drain = asyncio.create_task(self._drained(), name="batch-drain")
            drain.add_done_callback(lambda _: work.cancel())
            try:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                await _send_pieces(spool, all_taken, send)
                await work
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            except asyncio.CancelledError:
                if not work.cancelled():  # else the client has gone
                    raise
            finally:
                for task in (work, watch, drain):
                    task.cancel()
                await asyncio.gather(work, watch, drain, return_exceptions=True)

    async def _work(self, spool: Spool, all_taken: asyncio.Event) -> None:
        try:
            await self._run(spool, all_taken)
        except BallastError as error:  # the request could not be read to its end; what was answered so far stands
            await spool.write(_describe(None, error) + b"\n")
        finally:
            all_taken.set()
            spool.end()


async def _watch(receive: Receive, all_taken: asyncio.Event, work: asyncio.Task[None]) -> None:
    """End the work when the client goes away; while the request is read, reading it tells."""
    await all_taken.wait()
    while (await receive())["type"] != "http.disconnect":
        pass
    work.cancel()


async def _send_pieces(spool: Spool, all_taken: asyncio.Event, send: Send) -> None:
    sent_bytes = 0
    async for piece in spool.pieces():
        sent_bytes += len(piece)
        if sent_bytes > _EARLY_BYTES:
            await all_taken.wait()
        await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _sources(request: Request, upload: UploadSettings, batches: Batches) -> AsyncIterator[PictureSource]:
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() == "application/json":
        body = plain_body(request, max_bytes=_MAX_LIST_BYTES, idle_seconds=upload.idle_seconds)
        for source in batches.stored(await _listed(body)):
            yield source
        return
    body = plain_body(request, max_bytes=upload.max_bytes, idle_seconds=upload.idle_seconds)
    async for part in file_parts(body, content_type, MAX_PICTURES):
        yield SentPicture(part.chunks)


async def _listed(body: AsyncIterator[bytes]) -> list[str]:
    try:
        return BatchOfMedia.model_validate_json(b"".join([chunk async for chunk in body])).media
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            raise BadRequest("The body is not valid JSON.") from None
        where = ".".join(str(step) for step in first["loc"])
        raise InvalidParameter(f"{where}: {first['msg']}") from None


async def _joined(first: PictureSource, others: AsyncIterator[PictureSource]) -> AsyncIterator[PictureSource]:
    yield first
    async for source in others:
        yield source


def _describe(index: int | None, error: BallastError) -> bytes:
    return json.dumps({"index": index, **problem(error)}, separators=(",", ":")).encode()
