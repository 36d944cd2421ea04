"""Request parameters of the vision tasks: the tasks' own dataclasses, as pydantic models in camelCase."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.alias_generators import to_camel

from app.errors import InvalidParameter
from app.vision.plan import Output
from app.vision.task import VisionTask

_Annotate = Annotated[bool, Field(description="Answer the picture with the drawing on it, as image/jpeg.")]
_Cache = Annotated[bool, Field(description="false: look again, whatever was found before in the same picture.")]
_Form = Annotated[
    Literal["png", "json"] | None,
    Field(alias="as", description="png, the default: the mask; json: its size and coverage."),
]


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


def answer_model(task: type[VisionTask]) -> type[BaseModel]:
    """Return `query_model` and, beside it, in which form the answer is wanted."""
    form: dict[str, Any] = {"form": (_Form, None)} if task.has_mask else {}
    name = f"{task.Params.__name__}Query"
    return create_model(name, __base__=batch_model(task), annotate=(_Annotate, False), **form)


def batch_model(task: type[VisionTask]) -> type[BaseModel]:
    """Return `query_model` and whether remembered answers will do."""
    return create_model(f"{task.Params.__name__}Batch", __base__=query_model(task), cache=(_Cache, True))


def to_params(task: type[VisionTask], query: BaseModel) -> Any:
    """Return the task's own parameters."""
    return task.Params(**{field.name: getattr(query, field.name) for field in dataclasses.fields(task.Params)})


def to_output(task: type[VisionTask], query: BaseModel) -> Output:
    """Return the form that an `answer_model` asks for.

    Raises:
        InvalidParameter: it asks for two.
    """
    form = getattr(query, "form", None)
    if not getattr(query, "annotate", False):
        return Output.MASK if task.has_mask and form != "json" else Output.DETECTIONS
    if form is not None:
        raise InvalidParameter("annotate=true answers a picture: leave `as` out.")
    return Output.PICTURE


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
