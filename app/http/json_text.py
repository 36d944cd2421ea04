"""JSON from strangers: its depth and the number of its values are bounded before anything is built of it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from app.errors import BadRequest

_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{},]', re.DOTALL)
"""A whole string (in which nothing counts), or what opens, closes or separates values."""


@dataclass(frozen=True, slots=True)
class JsonBounds:
    """How deep arrays and objects may stand in one another, and how many values there may be in all.

    An array or an object is a value, and so is each of its elements; an empty one counts as if it had one.
    """

    depth: int
    values: int


def parse_json(text: str, bounds: JsonBounds) -> Any:
    """Return what a JSON text says (RFC 8259: NaN, Infinity and numbers beyond a double are none). Its length is the
    caller's to bound: it is looked at once, and only what is within `bounds` is built.

    Raises:
        BadRequest: it is no JSON, or has more depth or values.
    """
    if not _surely_within(text, bounds):
        _check(text, bounds)
    try:
        return json.loads(text, parse_constant=_reject_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise BadRequest("The text is not valid JSON.") from None


def _surely_within(text: str, bounds: JsonBounds) -> bool:
    """Whether it is within the bounds even if every bracket and comma in its strings counted."""
    openings = text.count("[") + text.count("{")
    return openings <= bounds.depth and 1 + openings + text.count(",") <= bounds.values


def _check(text: str, bounds: JsonBounds) -> None:
    depth, values = 0, 1
    for match in _TOKEN.finditer(text):
        mark = text[match.start()]
        if mark == "[" or mark == "{":
            depth += 1
            values += 1  # its first element: each further one has a comma before it
        elif mark == ",":
            values += 1
        elif mark == "]" or mark == "}":
            depth -= 1
        if depth > bounds.depth or values > bounds.values:
            raise BadRequest(f"The JSON may have {bounds.depth} levels and {bounds.values} values.")


def _reject_constant(name: str) -> None:
    raise ValueError(name)


def _finite(text: str) -> float:
    """Read a number; what is too large for a double would be written as Infinity in an answer."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
