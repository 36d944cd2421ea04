"""The description of the interface: valid, and complete for every route that is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.main import create_app
from app.settings import Settings, StorageSettings
from app.vision.task import vision_tasks

VISION_PROBLEMS = {"400", "408", "413", "415", "422", "429", "500", "503", "504"}
BATCH_PROBLEMS = {"400", "404", "408", "413", "415", "422"}
UPLOAD_PROBLEMS = {"400", "408", "413", "415", "422", "507"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return create_app(Settings(storage=StorageSettings(root=tmp_path_factory.mktemp("root"))))


@pytest.fixture(scope="module")
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield (method, path), operation


def responses(document: dict[str, Any]) -> Iterator[tuple[tuple[str, str], str, dict[str, Any]]]:
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            yield name, status, response


def shape(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema itself, or what it refers to."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema


def examples(node: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """Give each schema that has examples or a default, with each of them."""
    if isinstance(node, dict):
        values = list(node["examples"]) if isinstance(node.get("examples"), list) else []
        if "default" in node and not isinstance(node["default"], dict):  # else it is a member of that name
            values.append(node["default"])
        for value in values:
            yield node, value
        for value in node.values():
            yield from examples(value)
    elif isinstance(node, list):
        for value in node:
            yield from examples(value)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_it_is_a_valid_description_of_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_route_is_described_but_pages_and_refusals(app: FastAPI, document: dict[str, Any]) -> None:
    """`tests/test_docs.py` compares the description with the contract."""
    routes = {
        (method.lower(), re.sub(r":\w+}", "}", route.path or ""))  # without convertors
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
        if isinstance(route.original_route, APIRoute)
    }

    assert routes - {name for name, _ in operations(document)} == {("post", "/v1/vision/{task}")}


def test_nothing_is_referred_to_that_is_not_there(document: dict[str, Any]) -> None:
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    assert set(references(document)) <= known


def test_operations_have_names_of_their_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]

    assert len(names) == len(set(names))


def test_every_operation_says_what_it_does(document: dict[str, Any]) -> None:
    silent = [name for name, operation in operations(document) if not operation.get("summary")]

    assert silent == []


def test_bodies_are_described_raw_and_as_a_form(document: dict[str, Any]) -> None:
    bodies = {
        name: operation["requestBody"]
        for name, operation in operations(document)
        if "multipart/form-data" in operation.get("requestBody", {}).get("content", {})
    }

    assert bodies.keys() >= {("post", "/v1/media"), *(("post", f"/v1/vision/{task}") for task in vision_tasks())}
    for (_, path), body in bodies.items():
        form = shape(document, body["content"]["multipart/form-data"]["schema"])
        assert body["required"] is True
        assert list(form["properties"]) == ["file"]
        assert form["required"] == ["file"], path
        assert body["content"].keys() - {"multipart/form-data"}


def test_of_the_forms_of_a_body_generators_know_all(document: dict[str, Any]) -> None:
    """A range such as `image/*` is nothing that a client can send; tus asks for a type of its own."""
    known = {"multipart/form-data", "application/octet-stream", "application/json", "application/offset+octet-stream"}

    forms = {
        form for _, operation in operations(document) for form in operation.get("requestBody", {}).get("content", {})
    }

    assert forms == known


def test_json_is_the_first_form_of_an_answer(document: dict[str, Any]) -> None:
    forms = [list(response["content"]) for *_, response in responses(document) if "content" in response]

    assert [form for form in forms if "application/json" in form[1:]] == []


def test_examples_and_defaults_are_valid(document: dict[str, Any]) -> None:
    found = list(examples({"paths": document["paths"], "components": document["components"]}))
    components = {"components": document["components"]}

    wrong = [
        (value, error.message)
        for schema, value in found
        for error in Draft202012Validator({**schema, **components}).iter_errors(value)
    ]

    assert wrong == []
    assert {"Problem", "MediaItem", "MediaAnswer", "Analysis", "BatchResult"} <= {
        name for name, schema in document["components"]["schemas"].items() if "examples" in schema
    }


def test_nothing_that_only_answers_takes_a_body(document: dict[str, Any]) -> None:
    with_body = {name for name, operation in operations(document) if "requestBody" in operation}

    assert [name for name in with_body if name[0] in ("get", "head", "delete")] == []


def test_every_problem_is_described_as_one(document: dict[str, Any]) -> None:
    """FastAPI would describe its own 422 where a route does not."""
    others = [
        (name, status)
        for name, status, response in responses(document)
        if int(status) >= 400 and name[1] != "/health/ready"
        if response.get("content") != {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    ]

    assert others == []
    assert "HTTPValidationError" not in document["components"]["schemas"]


@pytest.mark.parametrize(
    ("route", "statuses"),
    [
        *((("post", f"/v1/vision/{task}"), VISION_PROBLEMS) for task in vision_tasks()),
        *((("post", f"/v1/vision/{task}/batch"), BATCH_PROBLEMS) for task in vision_tasks()),
        (("post", "/v1/media"), UPLOAD_PROBLEMS),
        (("get", "/v1/media"), {"422"}),
        (("get", "/v1/media/{media_id}"), {"404", "422"}),
        (("delete", "/v1/media/{media_id}"), {"404", "409"}),
        (("get", "/v1/media/{media_id}/content"), {"206", "304", "404", "412", "416"}),
    ],
)
def test_the_problems_of_a_route_are_all_there(
    document: dict[str, Any], route: tuple[str, str], statuses: set[str]
) -> None:
    assert dict(operations(document))[route]["responses"].keys() >= statuses


def test_who_may_not_is_described_everywhere_but_for_health(document: dict[str, Any]) -> None:
    silent = [
        name
        for name, operation in operations(document)
        if not name[1].startswith("/health") and not {"401", "403"} <= operation["responses"].keys()
    ]

    assert silent == []


def test_what_a_query_may_leave_out_is_not_null(document: dict[str, Any]) -> None:
    schemas = [one["schema"] for _, operation in operations(document) for one in operation.get("parameters", ())]

    assert [schema for schema in schemas if {"type": "null"} in schema.get("anyOf", ())] == []


def test_keys_are_a_security_scheme(document: dict[str, Any]) -> None:
    schemes = document["components"].get("securitySchemes", {}).values()

    assert [(scheme["type"], scheme.get("scheme")) for scheme in schemes] == [("http", "bearer")]


def test_the_members_of_a_problem_are_described(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["Problem"]

    assert set(schema["required"]) == {"type", "title", "status", "detail", "code", "requestId"}


def test_every_answer_is_described_with_its_id(document: dict[str, Any]) -> None:
    assert [(name, status) for name, status, one in responses(document) if "X-Request-Id" not in one["headers"]] == []


def test_a_problem_that_says_when_to_come_back_is_described_so(document: dict[str, Any]) -> None:
    silent = [
        (name, status)
        for name, status, response in responses(document)
        if "application/problem+json" in response.get("content", {})
        if ("Retry-After" in response["headers"]) != (status in ("429", "503"))
        or ("WWW-Authenticate" in response["headers"]) != (status == "401")
    ]

    assert silent == []


def test_a_line_of_a_batch_is_a_result_or_a_problem(document: dict[str, Any]) -> None:
    content = dict(operations(document))["post", "/v1/vision/hands/batch"]["responses"]["200"]["content"]

    text = content["application/x-ndjson"]["schema"]
    lines = text["contentSchema"]
    result, problem = (shape(document, one)["properties"] for one in lines["items"]["anyOf"])
    assert (list(content), text["type"], lines["type"]) == (["application/x-ndjson"], "string", "array")
    assert result.keys() >= {"index", "task", "detections"}
    assert problem.keys() >= {"index", "code", "detail"}


def test_the_events_of_a_stream_are_described_one_by_one(document: dict[str, Any]) -> None:
    content = dict(operations(document))["get", "/v1/memory/events"]["responses"]["200"]["content"]

    text = content["text/event-stream"]["schema"]
    assert text["type"] == "string"
    assert "data" in text["contentSchema"]["properties"]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("Tus-Resumable", ["1.0.0"], ["", "1.0.1"]),
        ("Upload-Defer-Length", ["1"], ["0", ""]),
        ("Upload-Checksum", ["sha1 Lve95gjOVATpfV8EL5X4nxwjKHE="], ["", "sha1", "crc32 AAAA", "sha1 A"]),
        ("Upload-Concat", ["partial", "final;/v1/uploads/a /v1/uploads/b"], ["", "final;", "other"]),
        ("Upload-Metadata", ["", "filename YQ==,is_large", "a YQ==,b-c YWI="], ["a YQ", "a,,b", "\u00e9 YQ=="]),
    ],
)
def test_the_headers_of_tus_are_described_as_they_are_read(
    document: dict[str, Any], name: str, good: list[str], bad: list[str]
) -> None:
    parameters = dict(operations(document))["post", "/v1/uploads"]["parameters"]
    schema = next(one["schema"] for one in parameters if one["name"] == name)

    assert [value for value in good if not is_taken(schema, value)] == []
    assert [value for value in bad if is_taken(schema, value)] == []


def is_taken(schema: dict[str, Any], value: str) -> bool:
    return value in schema.get("enum", [value]) and re.search(schema.get("pattern", ""), value) is not None


def test_the_receipt_of_an_analysis_is_described(document: dict[str, Any]) -> None:
    answer = dict(operations(document))["post", "/v1/vision/hands"]["responses"]["200"]

    assert answer["headers"].keys() == {"Ballast-Memory", "X-Request-Id"}


def test_names_outside_are_camel_case(document: dict[str, Any]) -> None:
    names = {name for schema in document["components"]["schemas"].values() for name in schema.get("properties", {})} | {
        parameter["name"]
        for _, operation in operations(document)
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    }

    assert [name for name in names if "_" in name or name[0].isupper()] == []


def test_parameters_have_their_bounds(document: dict[str, Any]) -> None:
    parameters = {
        parameter["name"]: parameter["schema"]
        for parameter in dict(operations(document))["post", "/v1/vision/hands"]["parameters"]
    }

    assert parameters.keys() >= {"maxHands", "minConfidence"}
    assert (parameters["maxHands"]["minimum"], parameters["maxHands"]["maximum"]) == (1, 8)
    assert parameters["minConfidence"]["default"] == 0.5


def test_no_path_of_this_machine_is_in_it(document: dict[str, Any], app: FastAPI) -> None:
    del app

    assert str(Path(__file__).parents[2]) not in str(document)
