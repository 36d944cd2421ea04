"""One name for each schema of the description, so that a generated client has one type for each.

FastAPI describes a body, a line or an event where it stands, once for each route, and gives titles of its own to
everything; generators make a type of each. Here an object with a title is moved to the components under this title, the
others lose theirs, and the components' names lose the suffix that only the code needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_SUFFIX = "Schema"
_PREFIX = "#/components/schemas/"
_NAMED = (
    "properties",
    "patternProperties",
    "$defs",
    "schemas",
    "headers",
    "content",
    "responses",
    "paths",
    "callbacks",
)
"""Members whose own members are names, not words of OpenAPI or JSON Schema."""

_VERBATIM = ("example", "examples", "default", "enum", "const")


def name_schemas(document: dict[str, Any]) -> None:
    """Rewrite `document` so that each schema of an object has one name.

    Raises:
        ValueError: two different schemas have one title.
    """
    schemas = document["components"]["schemas"]
    renamed = {name: _short(name, schemas) for name in schemas}
    document["components"]["schemas"] = {renamed[name]: schema for name, schema in schemas.items()}
    for node in _nodes(document):
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith(_PREFIX):
            name = reference.removeprefix(_PREFIX)
            node["$ref"] = _PREFIX + renamed.get(name, name)
    _hoist(document)
    for node in _nodes(document["paths"], document["components"]):
        node.pop("title", None)


def _short(name: str, schemas: dict[str, Any]) -> str:
    short = name.removesuffix(_SUFFIX)
    return name if not short or (short != name and short in schemas) else short


def _hoist(document: dict[str, Any]) -> None:
    """Move objects that have a title out of the paths, into the components."""
    schemas = document["components"]["schemas"]
    for node in reversed(list(_nodes(document["paths"]))):  # from the inside out
        if not _is_titled_object(node):
            continue
        name, schema = node["title"], dict(node)
        if schemas.setdefault(name, schema) != schema:
            raise ValueError(f"two different schemas are called {name}")
        node.clear()
        node["$ref"] = _PREFIX + name


def _is_titled_object(node: dict[str, Any]) -> bool:
    title = node.get("title")
    return isinstance(title, str) and title.isidentifier() and node.get("type") == "object" and "properties" in node


def _nodes(*roots: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give each dictionary that is an object of OpenAPI or a schema, from the outside in; no map of names, no value."""
    for root in roots:
        yield from _below(root, named=False)


def _below(node: Any, *, named: bool) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for item in node:
            yield from _below(item, named=False)
    elif isinstance(node, dict):
        if not named:
            yield node
        for key, value in list(node.items()):
            if named or key not in _VERBATIM:
                yield from _below(value, named=not named and key in _NAMED)
