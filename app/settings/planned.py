"""Settings of the wire contract whose capability is not in this version: known, and told not to be read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel

PLANNED: Mapping[str, str] = {
    "BALLAST_IMAGE__MAX_BYTES": "image transformations",
    "BALLAST_IMAGE__PRESETS": "image transformations",
}
"""Variable and capability. One that a setting reads counts as that setting, whatever stands here."""


def without_planned(settings: type[BaseModel], values: Any) -> Any:
    """Return the values of `settings` without members that a section does not have yet: it forbids all others."""
    if not isinstance(values, dict):
        return values
    kept = {section: dict(members) if isinstance(members, dict) else members for section, members in values.items()}
    for variable in PLANNED:
        section, name = variable.removeprefix("BALLAST_").lower().split("__")
        members, declared = kept.get(section), _members(settings, section)
        if isinstance(members, dict) and declared and name not in declared:
            members.pop(name, None)
    return kept


def _members(settings: type[BaseModel], section: str) -> Collection[str]:
    field = settings.model_fields.get(section)
    model: Any = field.annotation if field is not None else None
    return model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else ()
