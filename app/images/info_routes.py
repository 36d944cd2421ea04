"""`info`: what a front end wants to know of a picture before it shows it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from app.errors import NotFound
from app.http.bodies import file_body
from app.http.body import incoming_file
from app.http.problems import GUARDED, problem_responses
from app.http.state import ClientDep, opened
from app.images.info import shown
from app.images.params import openapi_parameters, read_query, single_values
from app.images.room import ImagesRoom
from app.images.routes import PROBLEMS
from app.images.schema import InfoSchema
from app.images.wishes import SIGNING
from app.storage import ids

ImagesDep = Annotated[ImagesRoom, Depends(opened("images"))]


class InfoQuery(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    exif: Annotated[bool, Field(description="Tell what EXIF says, but for the place.")] = False
    location: Annotated[bool, Field(description="With `exif`: the place too, as `GPSInfo`.")] = False

    @classmethod
    def of(cls, request: Request) -> InfoQuery:
        """Read the query of a request, but for its signature.

        Raises:
            InvalidParameter: a value is wrong or a name unknown: it is named, and what is allowed.
        """
        values = single_values(request.query_params.multi_items())
        return read_query(cls, {name: value for name, value in values.items() if name not in SIGNING})


def build_router() -> APIRouter:
    """Return both routes."""
    router = APIRouter(prefix="/v1", tags=["images"], responses=GUARDED)
    router.add_api_route(
        "/images/info",
        _info_of_sent,
        methods=["POST"],
        summary="What is known of one picture",
        response_model=InfoSchema,
        responses=problem_responses(*PROBLEMS),
        openapi_extra={**file_body("The picture"), "parameters": openapi_parameters(InfoQuery)},
    )
    router.add_api_route(
        "/media/{media_id}/info",
        _info_of_stored,
        methods=["GET"],
        summary="What is known of a stored picture",
        response_model=InfoSchema,
        responses=problem_responses(*PROBLEMS, NotFound),
        openapi_extra={"parameters": openapi_parameters(InfoQuery)},
    )
    return router


async def _info_of_sent(request: Request, room: ImagesDep, client: ClientDep) -> InfoSchema:
    """Nothing of the picture is kept."""
    query = InfoQuery.of(request)
    max_bytes = room.images.max_bytes
    incoming = await incoming_file(request, max_bytes=max_bytes, idle_seconds=room.body_idle_seconds)
    async with room.pictures.receive(incoming.chunks, max_bytes, client) as picture:
        return shown(await room.infos.of_picture(picture), exif=query.exif, location=query.location)


async def _info_of_stored(request: Request, media_id: str, room: ImagesDep, client: ClientDep) -> InfoSchema:
    """Looked at once, and remembered."""
    query = InfoQuery.of(request)
    ids.kind_of(media_id)
    return shown(await room.infos.of_item(media_id, client), exif=query.exif, location=query.location)
