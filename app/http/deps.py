"""What a route may ask for: one alias for each service, and who the client is."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.media.delivery import Delivery
from app.media.resumable import Resumable
from app.media.transfers import Transfers
from app.media.uploads import Uploads
from app.memory.governor import Governor
from app.services import Services
from app.storage.store import MediaStore


async def services_of(connection: HTTPConnection) -> Services:
    """Return the services that the lifespan opened."""
    return cast("Services", connection.state.services)


ServicesDep = Annotated[Services, Depends(services_of)]


async def _delivery(services: ServicesDep) -> Delivery:
    return services.delivery


async def _governor(services: ServicesDep) -> Governor:
    return services.governor


async def _resumable(services: ServicesDep) -> Resumable:
    return services.resumable


async def _store(services: ServicesDep) -> MediaStore:
    return services.store


async def _transfers(services: ServicesDep) -> Transfers:
    return services.transfers


async def _uploads(services: ServicesDep) -> Uploads:
    return services.uploads


DeliveryDep = Annotated[Delivery, Depends(_delivery)]
GovernorDep = Annotated[Governor, Depends(_governor)]
ResumableDep = Annotated[Resumable, Depends(_resumable)]
StoreDep = Annotated[MediaStore, Depends(_store)]
TransfersDep = Annotated[Transfers, Depends(_transfers)]
UploadsDep = Annotated[Uploads, Depends(_uploads)]


async def client_of(connection: HTTPConnection, services: ServicesDep) -> str:
    """Return who asks, for fairness between clients: the key where keys are set (it was checked), else the address."""
    if services.settings.server.api_keys:
        key = connection.headers.get("authorization") or connection.query_params.get("key")
        if key:
            return f"key:{hash(key):x}"
    return connection.client.host if connection.client else "unknown"


ClientDep = Annotated[str, Depends(client_of)]
