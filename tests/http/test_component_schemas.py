"""Each schema of the description has one name."""

from __future__ import annotations

from typing import Any

import pytest

from app.http.component_schemas import name_schemas


def document(*bodies: dict[str, Any], **schemas: dict[str, Any]) -> dict[str, Any]:
    paths = {f"/{number}": {"post": {"content": body}} for number, body in enumerate(bodies)}
    return {"paths": paths, "components": {"schemas": schemas}}


def thing(**properties: Any) -> dict[str, Any]:
    return {"title": "Thing", "type": "object", "properties": properties}


def test_an_object_with_a_title_is_described_once() -> None:
    described = document({"a/b": {"schema": thing()}}, {"a/b": {"schema": thing()}})

    name_schemas(described)

    assert described["components"]["schemas"] == {"Thing": {"type": "object", "properties": {}}}
    assert described["paths"]["/1"]["post"]["content"]["a/b"]["schema"] == {"$ref": "#/components/schemas/Thing"}


def test_an_object_within_another_is_described_once_too() -> None:
    outer = {"title": "Outer", "type": "object", "properties": {"inner": thing()}}
    described = document({"a/b": {"schema": outer}}, {"a/b": {"schema": {**outer, "properties": {"inner": thing()}}}})

    name_schemas(described)

    schemas = described["components"]["schemas"]
    assert schemas.keys() == {"Outer", "Thing"}
    assert schemas["Outer"]["properties"] == {"inner": {"$ref": "#/components/schemas/Thing"}}


def test_two_different_objects_cannot_have_one_title() -> None:
    described = document({"a/b": {"schema": thing()}}, {"a/b": {"schema": thing(size={"type": "integer"})}})

    with pytest.raises(ValueError, match="Thing"):
        name_schemas(described)


def test_names_lose_the_suffix_of_the_code_unless_another_has_the_rest() -> None:
    reference = {"$ref": "#/components/schemas/BoxSchema"}
    described = document({"a/b": {"schema": reference}}, BoxSchema={}, Level={}, LevelSchema={})

    name_schemas(described)

    assert described["components"]["schemas"].keys() == {"Box", "Level", "LevelSchema"}
    assert reference == {"$ref": "#/components/schemas/Box"}


def test_titles_go_but_members_and_values_of_that_name_stay() -> None:
    schema = {"title": "Problem", "properties": {"title": {"title": "Title"}}, "examples": [{"title": "Not found"}]}
    described = document(ProblemSchema=schema)

    name_schemas(described)

    assert described["components"]["schemas"]["Problem"] == {
        "properties": {"title": {}},
        "examples": [{"title": "Not found"}],
    }
