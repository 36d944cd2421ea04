"""How values of settings are written: sizes, lists of names, shares."""

from __future__ import annotations

import re
from typing import Annotated

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


Bytes = Annotated[int, BeforeValidator(parse_bytes), Field(ge=0)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_commas)]
Seconds = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
