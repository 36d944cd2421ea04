"""Effective settings and what follows from them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from app.http.problems import GUARDED
from app.http.state import opened
from app.settings import Settings
from app.settings.variables import environment_names, secret_variables
from app.status.room import StatusRoom
from app.status.service_schema import DerivedSchema, LimitsSchema, SettingSchema

router = APIRouter(prefix="/v1", tags=["operations"], responses=GUARDED)


@router.get("/limits", summary="Every setting with its default and effective value, and the limits derived from them")
async def limits(status: Annotated[StatusRoom, Depends(opened("status"))]) -> LimitsSchema:
    core, governor = status.core, status.core.governor
    return LimitsSchema(
        settings=_settings(core.settings),
        derived=DerivedSchema(
            limit_bytes=governor.sample.limit_bytes,
            limit_source=governor.sample.limit_source,
            budget_bytes=governor.budget.total_bytes,
            largest_grant_bytes=governor.budget.limit_bytes,
            vision_workers=status.vision.instances,
            max_frame_bytes=core.settings.vision.max_bytes,
            job_workers=status.jobs.workers,
            max_queued_jobs=core.settings.jobs.max_queued,
        ),
    )


def _settings(settings: Settings) -> list[SettingSchema]:
    """Return name, description, default and value of each setting; of secrets only that they are set."""
    effective = settings.model_dump(mode="json")
    secrets = secret_variables(type(settings))
    return [
        SettingSchema(
            name=variable,
            description=description,
            default=_plain(default),
            value=_value(effective, variable, variable in secrets),
        )
        for variable, description, default in environment_names(type(settings))
    ]


def _value(effective: dict[str, Any], variable: str, secret: bool) -> Any:
    section, _, name = variable.removeprefix("BALLAST_").lower().partition("__")
    value = effective[section][name] if name else effective[section]
    if not secret or not value:
        return value
    return "set" if isinstance(value, str) else f"{len(value)} set"


def _plain(default: object) -> object:
    return (
        default
        if isinstance(default, int | float | str | None)
        else str(default)
        if not isinstance(default, tuple)
        else list(default)
    )
