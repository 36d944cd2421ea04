"""Vision over HTTP: one picture in, what is in it out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
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
from app.http.problems import GUARDED, problem_responses
from app.http.receipts import receipt_headers
from app.http.state import ClientDep, opened
from app.vision import batch, stream
from app.vision.analysis import AnalysisRequest
from app.vision.params import answer_model, described, to_output, to_params
from app.vision.plan import Output
from app.vision.room import VisionRoom
from app.vision.schema import AnalysisSchema, TaskSchema, TasksSchema
from app.vision.task import VisionTask, vision_tasks

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

VisionDep = Annotated[VisionRoom, Depends(opened("vision"))]


def build_router() -> APIRouter:
    """Return all routes of this room."""
    tasks = vision_tasks()
    router = APIRouter()
    for part in (batch.build_router(tasks), build_task_router(tasks), stream.build_router(tasks)):
        router.include_router(part)
    return router


def build_task_router(tasks: dict[str, type[VisionTask]]) -> APIRouter:
    """Return one typed route for each task, and the list of tasks."""
    router = APIRouter(prefix="/v1/vision", tags=["vision"], responses=GUARDED)
    router.add_api_route(
        "", _list_tasks, methods=["GET"], response_model=TasksSchema, summary="The tasks and the state of their models"
    )
    for task in tasks.values():
        _add_task(router, task)
    router.add_api_route("/{task}", _unknown_task, methods=["POST"], include_in_schema=False)
    return router


async def _list_tasks(room: VisionDep) -> TasksSchema:
    return TasksSchema(
        tasks=[
            TaskSchema(
                name=status.task,
                summary=room.vision.tasks[status.task].summary,
                state=status.state.value,
                resident_bytes=status.resident_bytes,
                idle_seconds=status.idle_seconds,
                parameters=described(room.vision.tasks[status.task]),
            )
            for status in room.vision.statuses()
        ]
    )


async def _unknown_task(task: str, room: VisionDep) -> None:
    room.vision.task(task)
    raise NotFound("There is no task of this name.")


def _add_task(router: APIRouter, task: type[VisionTask]) -> None:
    async def analyze(
        request: Request, params: Annotated[BaseModel, Query()], room: VisionDep, client: ClientDep
    ) -> Response:
        output = to_output(task, params)
        max_bytes = room.analysis.max_bytes
        incoming = await incoming_file(request, max_bytes=max_bytes, idle_seconds=room.body_idle_seconds)
        async with room.pictures.receive(incoming.chunks, max_bytes, client) as picture:
            may_reuse = getattr(params, "cache", True)
            asked = AnalysisRequest(task, to_params(task, params), client, output, may_reuse)
            result = await room.analysis.analyze(asked, picture)
        return Response(result.body(), media_type=output.content_type, headers=receipt_headers(result.receipt))

    # FastAPI reads the parameters from the annotation, which differs from task to task.
    analyze.__annotations__["params"] = Annotated[answer_model(task), Query()]
    router.add_api_route(
        f"/{task.name}",
        analyze,
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
