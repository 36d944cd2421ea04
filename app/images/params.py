"""Request parameters of image operations: their own dataclasses, as one pydantic model in camelCase."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from app.errors import InvalidParameter
from app.images.allowed import in_words
from app.images.conversion import Conversion
from app.images.operation import Explained
from app.images.pipeline import OPERATIONS
from app.images.transform import Transform

Q = TypeVar("Q", bound=BaseModel)

_SHOWN_CHARACTERS = 40
"""As much of a wrong value as is said again."""


@cache
def query_model() -> type[BaseModel]:
    """Return a model of a query string with all parameters of all operations and of the last step, and no other names.

    Raises:
        TypeError: two operations have a parameter of the same name.
    """
    members: dict[str, Any] = {}
    for params in (*(operation.Params for operation in OPERATIONS), Conversion):
        for name, member in _members(params).items():
            if name in members:
                raise TypeError(f"two operations have the parameter {name}")
            members[name] = member
    config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)
    return create_model("ImageQuery", __config__=config, **members)


def described(params: type[Any]) -> dict[str, Any]:
    """Return the JSON schema of each parameter of one operation, by its name in a query."""
    config = ConfigDict(alias_generator=to_camel)
    model: type[BaseModel] = create_model(params.__name__, __config__=config, **_members(params))
    properties: dict[str, Any] = model.model_json_schema()["properties"]
    return properties


def read_transform(values: Mapping[str, str], accept: str = "") -> Transform:
    """Return what the parameters of a query, by their names there, ask for.

    Raises:
        InvalidParameter: one is wrong or unknown: it is named, and what is allowed.
    """
    return Transform.of(read_query(query_model(), values).model_dump(exclude_unset=True), accept)


def read_query(model: type[Q], values: Mapping[str, str]) -> Q:
    """Return a query as a model has it.

    Raises:
        InvalidParameter: a value is wrong or a name unknown: it is named, and what is allowed.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise _invalid(error.errors(), model) from None


def single_values(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the parameters of a query string by name.

    Raises:
        InvalidParameter: one is given twice.
    """
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            message = "It is given more than once."
            raise InvalidParameter(f"{name}: {message}", errors=[{"where": ["query", name], "message": message}])
        values[name] = value
    return values


def openapi_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    """Return the description of a query by a model, as `parameters` of OpenAPI."""
    properties = model.model_json_schema(ref_template="#/components/schemas/{model}")["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": schema.get("description", ""),
            "schema": {key: value for key, value in schema.items() if key not in ("description", "title")},
        }
        for name, schema in properties.items()
    ]


def _invalid(errors: list[ErrorDetails], model: type[BaseModel]) -> InvalidParameter:
    """Return what pydantic found wrong with a query: the first in words, all as `errors`."""
    schema = _schema(model)
    properties, definitions = schema["properties"], schema.get("$defs", {})
    issues = []
    for error in errors:
        name = next((str(step) for step in error["loc"] if str(step) in properties), str(error["loc"][-1]))
        if name in properties:
            given = str(error["input"])[:_SHOWN_CHARACTERS]
            message = f"{given!r} is not allowed; allowed: {in_words(properties[name], definitions).rstrip('.')}."
        else:
            message = f"There is no such parameter; there are {', '.join(sorted(properties))}."
        issues.append({"where": ["query", name], "message": message})
    return InvalidParameter(f"{issues[0]['where'][1]}: {issues[0]['message']}", errors=issues)


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _members(params: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(params, include_extras=True)
    return {
        one.name: (_explained(hints[one.name]), one.default) for one in fields(params) if one.default is not MISSING
    }


def _explained(hint: Any) -> Any:
    """Turn `Explained` into what pydantic reads."""
    if get_origin(hint) is not Annotated:
        return hint
    base, *notes = get_args(hint)
    text = next(note for note in notes if isinstance(note, Explained))
    others = [note for note in notes if not isinstance(note, Explained)]
    hint = Annotated[base, Field(description=text.text, pattern=text.pattern)]
    for note in others:
        hint = Annotated[hint, note]
    return hint
