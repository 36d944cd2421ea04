"""Request parameters of the vision tasks: names, bounds and defaults as the tasks have them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from annotated_types import Ge, Le
from pydantic import ValidationError

from app.errors import InvalidParameter
from app.vision.params import answer_model, batch_model, described, query_model, read_params, read_request
from app.vision.plan import Output
from app.vision.task import Model, VisionTask, vision_tasks


@dataclass(frozen=True, slots=True)
class ToesParams:
    max_toes: Annotated[int, Ge(1), Le(10)] = 5
    with_nails: bool = False


class Toes(VisionTask):
    name: ClassVar[str] = "toes"
    Params: ClassVar[type[Any]] = ToesParams

    @classmethod
    def load(cls, asset: Path, params: Any) -> Model:
        raise NotImplementedError


def test_names_are_camel_case_and_defaults_are_the_tasks() -> None:
    model = query_model(Toes)

    assert read_request(Toes, model.model_validate({}), "me").params == ToesParams()
    assert read_request(Toes, model.model_validate({"maxToes": "7", "withNails": "true"}), "me").params == ToesParams(
        7, True
    )


class Soles(Toes):
    has_mask = True


@pytest.mark.parametrize(
    ("task", "values", "output"),
    [
        (Toes, {}, Output.DETECTIONS),
        (Toes, {"annotate": "true"}, Output.PICTURE),
        (Soles, {}, Output.MASK),
        (Soles, {"as": "png"}, Output.MASK),
        (Soles, {"as": "json"}, Output.DETECTIONS),
        (Soles, {"annotate": "true"}, Output.PICTURE),
    ],
)
def test_the_form_of_the_answer_is_asked_for(task: type[VisionTask], values: dict[str, str], output: Output) -> None:
    assert read_request(task, answer_model(task).model_validate(values), "me").output is output


@pytest.mark.parametrize("form", ["png", "json"])
def test_two_forms_cannot_be_asked_for(form: str) -> None:
    query = answer_model(Soles).model_validate({"annotate": "true", "as": form})

    with pytest.raises(InvalidParameter):
        read_request(Soles, query, "me")


def test_a_batch_answers_detections_and_from_the_cache_unless_asked_not_to() -> None:
    asked = read_request(Soles, batch_model(Soles).model_validate({}), "me")
    anew = read_request(Soles, batch_model(Soles).model_validate({"cache": "false"}), "me")

    assert (asked.output, asked.may_reuse, anew.may_reuse) == (Output.DETECTIONS, True, False)


@pytest.mark.parametrize(
    "values",
    [{"maxToes": "0"}, {"maxToes": "11"}, {"maxToes": "x"}, {"maxToes": ""}, {"max_toes": "5"}, {"other": "1"}],
)
def test_what_is_out_of_bounds_or_unknown_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        query_model(Toes).model_validate(values)


def test_what_came_another_way_is_refused_with_its_name() -> None:
    with pytest.raises(InvalidParameter) as caught:
        read_params(query_model(Toes), {"maxToes": 11})

    assert caught.value.detail.startswith("maxToes: ")
    assert "pydantic" not in caught.value.detail


def test_a_value_is_not_repeated_in_the_message() -> None:
    with pytest.raises(InvalidParameter) as caught:
        read_params(query_model(Toes), {"maxToes": "secret" * 100})

    assert "secret" not in caught.value.detail


def test_a_description_has_the_bounds_of_each_parameter() -> None:
    words = described(Toes)

    assert words.keys() == {"maxToes", "withNails"}
    assert {name: words["maxToes"][name] for name in ("default", "minimum", "maximum")} == {
        "default": 5, "minimum": 1, "maximum": 10,
    }  # fmt: skip


@pytest.mark.parametrize("task", vision_tasks().values(), ids=lambda task: task.name)
def test_every_task_can_be_asked_without_parameters(task: type[VisionTask]) -> None:
    assert read_request(task, answer_model(task).model_validate({}), "me").params == task.Params()
    assert len(described(task)) == len(fields(task.Params))
