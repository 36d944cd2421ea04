"""How values of settings are written: sizes, lists of names, shares."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import NoDecode

from app.domain.units import GIB, KIB, MIB

_UNITS = {"": 1, "B": 1, "K": KIB, "M": MIB, "G": GIB, "T": 1024 * GIB}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


def parse_bytes(value: object) -> object:
    """Read `300M`, `10GiB` or a plain number as bytes; every unit is a power of 1024, as Docker and cgroup read it."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError("write a size as a number with an optional unit, such as 300M or 10GiB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return tuple(item.strip() for item in value.split(",") if item.strip())
    return value


_PRESET_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def parse_presets(value: object) -> object:
    """Read names and the query that each stands for: `thumb:width=320&fit=cover; card:width=800`, or a JSON object.

    The members of the object are queries, or objects of parameters.
    """
    if isinstance(value, str):
        text = value.strip()
        value = json.loads(text) if text.startswith("{") else dict(_preset(entry) for entry in _entries(text))
    if not isinstance(value, dict):
        return value
    for name in value:
        if _PRESET_NAME.fullmatch(str(name)) is None:
            raise ValueError("the name of a preset has letters, digits, - and _ only")
    return {name: _query(query) for name, query in value.items()}


def _entries(text: str) -> list[str]:
    return [entry for entry in re.split(r"[;\s]+", text) if entry]


def _preset(entry: str) -> tuple[str, str]:
    name, sign, query = entry.partition(":")
    if not sign:
        raise ValueError("write presets as name:query, with ; between them, such as thumb:width=320&fit=cover")
    return name, query


def _query(query: object) -> object:
    if not isinstance(query, dict):
        return query
    written = {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
    return urlencode(written)


Presets = Annotated[Mapping[str, str], NoDecode, BeforeValidator(parse_presets)]
Bytes = Annotated[int, BeforeValidator(parse_bytes), Field(ge=0)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_commas)]
Seconds = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
