"""Vision over HTTP: one picture in, what is in it out."""

from __future__ import annotations

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
    Overloaded,
    PayloadTooLarge,
    ProcessingTimeout,
    QueueFull,
    RequestTimeout,
    TooManyPixels,
    UnsupportedMedia,
    WorkerFailed,
)
from app.http.bodies import BYTES, file_body
from app.http.body import incoming_file
from app.http.problems import GUARDED, problem_responses
from app.http.receipts import HEADER, receipt_headers
from app.http.state import ClientDep
from app.vision.batch import add_batch
from app.vision.params import answer_model, described, read_request
from app.vision.plan import Output
from app.vision.route import ShortRoute, VisionDep
from app.vision.schema import AnalysisSchema, TaskListSchema, TaskSchema
from app.vision.stream import add_stream
from app.vision.task import VisionTask, vision_tasks

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

_RECEIPT: dict[str, Any] = {
    HEADER: {
        "description": "What the work was predicted to take, what it took, and in which mode it was done.",
        "schema": {"type": "string", "examples": ["predicted=4194304, peak=3670016, mode=FULL_QUALITY"]},
    }
}


def build_router() -> APIRouter:
    """Return all routes of this room: those of each task, the list of tasks, the streams."""
    tasks = vision_tasks()
    router = APIRouter(prefix="/v1/vision", tags=["vision"], responses=GUARDED)
    for task in tasks.values():
        _add_task(router, task)
        add_batch(router, task)
    router.add_api_route(
        "",
        _list_tasks,
        methods=["GET"],
        name="list_tasks",
        response_model=TaskListSchema,
        summary="The tasks and the state of their models",
    )
    router.add_api_route("/{task}", _unknown_task, methods=["POST"], include_in_schema=False)
    add_stream(router, tasks)
    return router


async def _list_tasks(room: VisionDep) -> TaskListSchema:
    return TaskListSchema(
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
    room.vision.task(task)  # raises NotFound: a known one has a route of its own


def _add_task(router: APIRouter, task: type[VisionTask]) -> None:
    async def analyze(
        request: Request, params: Annotated[BaseModel, Query()], room: VisionDep, client: ClientDep
    ) -> Response:
        asked, max_bytes = read_request(task, params, client), room.analysis.max_bytes
        incoming = await incoming_file(request, max_bytes=max_bytes, idle_seconds=room.body_idle_seconds)
        async with room.pictures.receive(incoming.chunks, max_bytes, client) as picture:
            result = await room.analysis.analyze(asked, picture)
        content_type = asked.output.content_type
        return Response(result.body(), media_type=content_type, headers=receipt_headers(result.receipt))

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
        openapi_extra=file_body("One picture"),
        route_class_override=ShortRoute,
    )


def _answers(task: type[VisionTask]) -> dict[str, Any]:
    """Return the description of a 200: JSON and, by `annotate` and `as`, pictures."""
    outputs = [Output.PICTURE, Output.MASK] if task.has_mask else [Output.PICTURE]
    pictures = {output.content_type: BYTES for output in outputs}
    description = (
        "What was found; with `annotate=true` the picture with a drawing of it, in its own size but at most 1920 "
        "pixels wide and high."
    )
    if task.has_mask:
        description += " The mask, 8-bit grey, has the same size."
    return {"model": AnalysisSchema, "description": description, "content": pictures, "headers": _RECEIPT}
