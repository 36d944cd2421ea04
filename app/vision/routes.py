"""Vision over HTTP: one picture in, what is in it out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.errors import (
    BadRequest,
    InvalidMedia,
    InvalidParameter,
    MemoryExceedsLimit,
    ModelMissing,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    ProcessingTimeout,
    QueueFull,
    RequestTimeout,
    TooManyPixels,
    UnsupportedMedia,
    WorkerFailed,
)
from app.http.body import incoming_file
from app.http.deps import ClientDep, ServicesDep
from app.http.problems import problem_responses
from app.http.receipts import receipt_headers
from app.http.shortcut import Shortcut
from app.vision.analysis import AnalysisRequest
from app.vision.params import answer_model, described, to_output, to_params
from app.vision.plan import Output
from app.vision.schema import AnalysisSchema, TaskSchema, TasksSchema
from app.vision.task import VisionTask

PICTURE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}

_PROBLEMS = problem_responses(
    BadRequest,
    RequestTimeout,
    PayloadTooLarge,
    TooManyPixels,
    MemoryExceedsLimit,
    UnsupportedMedia,
    InvalidMedia,
    InvalidParameter,
    QueueFull,
    WorkerFailed,
    Overloaded,
    ModelMissing,
    ProcessingTimeout,
)


_PREFIX = "/v1/vision"


def build_router(tasks: dict[str, type[VisionTask]], shortcuts: dict[str, Shortcut]) -> APIRouter:
    """Return the routes of vision, one typed route for each task; `shortcuts` are those of `build_shortcuts`."""
    router = APIRouter(prefix=_PREFIX, tags=["vision"])
    router.add_api_route(
        "", _list_tasks, methods=["GET"], response_model=TasksSchema, summary="The tasks and the state of their models"
    )
    for task in tasks.values():
        _add_task(router, task, shortcuts[_path(task)].endpoint)
    router.add_api_route("/{task}", _unknown_task, methods=["POST"], include_in_schema=False)
    return router


def build_shortcuts(tasks: dict[str, type[VisionTask]]) -> dict[str, Shortcut]:
    """Return the short way to each task, by its path."""
    return {_path(task): _shortcut(task) for task in tasks.values()}


def _path(task: type[VisionTask]) -> str:
    return f"{_PREFIX}/{task.name}"


async def _list_tasks(services: ServicesDep) -> TasksSchema:
    return TasksSchema(
        tasks=[
            TaskSchema(
                name=status.task,
                summary=services.vision.tasks[status.task].summary,
                state=status.state.value,
                resident_bytes=status.resident_bytes,
                idle_seconds=status.idle_seconds,
                parameters=described(services.vision.tasks[status.task]),
            )
            for status in services.vision.statuses()
        ]
    )


async def _unknown_task(task: str, services: ServicesDep) -> None:
    services.vision.task(task)
    raise NotFound("There is no task of this name.")


def _shortcut(task: type[VisionTask]) -> Shortcut:
    query = answer_model(task)

    async def analyze(
        request: Request, params: Annotated[BaseModel, Query()], services: ServicesDep, client: ClientDep
    ) -> Response:
        output = to_output(task, params)
        limits = services.uploads.limits
        max_bytes = services.analysis.max_bytes
        incoming = await incoming_file(request, max_bytes=max_bytes, idle_seconds=limits.idle_seconds)
        async with services.pictures.receive(incoming.chunks, max_bytes, client) as picture:
            may_reuse = getattr(params, "cache", True)
            asked = AnalysisRequest(task, to_params(task, params), client, output, may_reuse)
            result = await services.analysis.analyze(asked, picture)
        return Response(result.body(), media_type=output.content_type, headers=receipt_headers(result.receipt))

    # FastAPI reads the parameters from the annotation, which differs from task to task.
    analyze.__annotations__["params"] = Annotated[query, Query()]
    return Shortcut(analyze, query)


def _add_task(router: APIRouter, task: type[VisionTask], endpoint: Callable[..., Awaitable[Response]]) -> None:
    router.add_api_route(
        f"/{task.name}",
        endpoint,
        methods=["POST"],
        name=f"analyze_{task.name.replace('-', '_')}",
        summary=f"Find {task.summary}",
        response_class=Response,
        responses={200: _answers(task), **_PROBLEMS},
        openapi_extra=PICTURE_BODY,
    )


def _answers(task: type[VisionTask]) -> dict[str, Any]:
    """Return the description of a 200: JSON and, by `annotate` and `as`, pictures."""
    outputs = [Output.PICTURE, Output.MASK] if task.has_mask else [Output.PICTURE]
    pictures = {output.content_type: {"schema": {"type": "string", "format": "binary"}} for output in outputs}
    description = (
        "What was found; with `annotate=true` the picture with a drawing of it, in its own size but at most 1920 "
        "pixels wide and high."
    )
    if task.has_mask:
        description += " The mask, 8-bit grey, has the same size."
    return {"model": AnalysisSchema, "description": description, "content": pictures}
