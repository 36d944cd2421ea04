"""Request parameters of the vision tasks: the tasks' own dataclasses, as pydantic models in camelCase."""

from __future__ import annotations

import dataclasses
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.alias_generators import to_camel

from app.errors import InvalidParameter
from app.inference.task import VisionTask


def query_model(task: type[VisionTask]) -> type[BaseModel]:
    """Return a model of `task.Params` for a query string; what it does not know is refused.

    Bounds and defaults are the task's.
    """
    hints = get_type_hints(task.Params, include_extras=True)
    fields: dict[str, Any] = {
        field.name: (hints[field.name], field.default) for field in dataclasses.fields(task.Params)
    }
    config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)
    return create_model(task.Params.__name__, __config__=config, **fields)


def to_params(task: type[VisionTask], query: BaseModel) -> Any:
    """Return the task's own parameters."""
    return task.Params(**query.model_dump())


def described(task: type[VisionTask]) -> dict[str, Any]:
    """Return the JSON schema of each parameter, by its name in a query."""
    properties: dict[str, Any] = query_model(task).model_json_schema()["properties"]
    return properties


def read_params(model: type[BaseModel], values: dict[str, Any]) -> BaseModel:
    """Check parameters that came another way than by a query string.

    Raises:
        InvalidParameter: a value is wrong or a name unknown.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise InvalidParameter(f"{where}: {first['msg']}") from None
