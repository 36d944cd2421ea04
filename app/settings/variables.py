"""The variables of the environment that settings are read from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, TypeGuard

from pydantic.fields import FieldInfo

from app.settings import Settings
from app.settings.values import Section


def environment_names(settings: type[Settings]) -> Iterator[tuple[str, str, Any]]:
    """Yield (variable, description, default) of every setting."""
    for variable, field in _fields(settings):
        yield variable, field.description or "", field.default


def secret_variables(settings: type[Settings]) -> frozenset[str]:
    """Return the variables whose values are shown to nobody."""
    return frozenset(
        variable
        for variable, field in _fields(settings)
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("secret")
    )


def _fields(settings: type[Settings]) -> Iterator[tuple[str, FieldInfo]]:
    for section, field in settings.model_fields.items():
        model = field.annotation
        if not _is_section(model):
            yield f"BALLAST_{section}".upper(), field
            continue
        for name, inner in model.model_fields.items():
            yield f"BALLAST_{section}__{name}".upper(), inner


def _is_section(annotation: object) -> TypeGuard[type[Section]]:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def unread_variables(settings: type[Settings]) -> list[str]:
    """Return a sentence for each `BALLAST_*` variable of the environment that no setting reads."""
    known = {name for name, _, _ in environment_names(settings)}
    unread = sorted(name for name in os.environ if name.startswith("BALLAST_") and name.upper() not in known)
    return [f"no setting reads {name}: a typing error?" for name in unread]


def section_variables() -> list[str]:
    """Return the variables of the environment that would set a whole section, which cannot be written as text."""
    return sorted(name for name in os.environ if name.upper() in section_names())


def section_names() -> frozenset[str]:
    """Return what the variables of each section begin with."""
    fields = Settings.model_fields.items()
    return frozenset(f"BALLAST_{name}".upper() for name, field in fields if _is_section(field.annotation))
