"""What a parameter may be, in words, from its JSON schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FEW = 8
"""So many numbers are listed one by one."""


def allowed_values(schema: Mapping[str, Any], definitions: Mapping[str, Any] | None = None) -> list[str]:
    """Return the values that are allowed, or one range in words; empty where it is a text of some form.

    `definitions`: `$defs` of the schema that it is part of.
    """
    for one in schema.get("anyOf", [schema]):
        if "$ref" in one:
            one = (definitions or {})[one["$ref"].rpartition("/")[2]]
        if "const" in one:
            return [str(one["const"])]
        if "enum" in one:
            return [str(value) for value in one["enum"]]
        if "minimum" in one:
            return _numbers(one)
        if one.get("type") == "boolean":
            return ["true", "false"]
    return []


def in_words(schema: Mapping[str, Any], definitions: Mapping[str, Any] | None = None) -> str:
    """Return the same as the end of a sentence; of a text, what is said of its form."""
    values = allowed_values(schema, definitions)
    if values:
        return ", ".join(values)
    most = next((one["maxLength"] for one in schema.get("anyOf", [schema]) if "maxLength" in one), None)
    return str(schema.get("description", "a text")) if most is None else f"a text of at most {most} characters"


def _numbers(schema: Mapping[str, Any]) -> list[str]:
    least, most = schema["minimum"], schema["maximum"]
    step = schema.get("multipleOf")
    if step and (most - least) / step < _FEW:
        return [str(value) for value in range(least, most + 1, step)]
    whole = "whole numbers from " if schema.get("type") == "integer" else ""
    return [f"{whole}{_number(least)} to {_number(most)}"]


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)
