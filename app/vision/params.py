"""Request parameters of the vision tasks: the tasks' own dataclasses, as pydantic models in camelCase."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.alias_generators import to_camel

from app.errors import InvalidParameter
from app.http.problems import validation_problem
from app.vision.analysis import AnalysisRequest
from app.vision.plan import Output
from app.vision.task import VisionTask

_Annotate = Annotated[bool, Field(description="Answer the picture with the drawing on it, as image/jpeg.")]
_Cache = Annotated[bool, Field(description="false: look again, whatever was found before in the same picture.")]
_Form = Annotated[
    Literal["png", "json"] | None,
    Field(alias="as", description="png, the default: the mask; json: its size and coverage."),
]


def query_model(task: type[VisionTask]) -> type[BaseModel]:
    """Return a model of `task.Params` for a query string: its bounds, its defaults, and no other names."""
    hints = get_type_hints(task.Params, include_extras=True)
    members: dict[str, Any] = {field.name: (hints[field.name], field.default) for field in fields(task.Params)}
    config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)
    return create_model(task.Params.__name__, __config__=config, **members)


def answer_model(task: type[VisionTask]) -> type[BaseModel]:
    """Return `query_model` and, beside it, in which form the answer is wanted."""
    form: dict[str, Any] = {"form": (_Form, None)} if task.has_mask else {}
    name = f"{task.Params.__name__}Query"
    return create_model(name, __base__=batch_model(task), annotate=(_Annotate, False), **form)


def batch_model(task: type[VisionTask]) -> type[BaseModel]:
    """Return `query_model` and whether a remembered answer will do."""
    return create_model(f"{task.Params.__name__}Batch", __base__=query_model(task), cache=(_Cache, True))


def read_request(task: type[VisionTask], query: BaseModel, client: str) -> AnalysisRequest:
    """Return what an `answer_model` or a `batch_model` asks for.

    Raises:
        InvalidParameter: it asks for two forms of the answer.
    """
    values = query.model_dump()
    may_reuse = values.pop("cache", True)
    annotate = values.pop("annotate", None)  # None: a batch, which answers detections only
    form = values.pop("form", None)
    if annotate and form is not None:
        raise InvalidParameter("annotate=true answers a picture: leave `as` out.")
    output = Output.DETECTIONS
    if annotate:
        output = Output.PICTURE
    elif task.has_mask and annotate is not None and form != "json":
        output = Output.MASK
    return AnalysisRequest(task, task.Params(**values), client, output, may_reuse)


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
        raise validation_problem(error.errors()) from None
