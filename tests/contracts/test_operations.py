"""What every image operation that is found keeps to, whatever it does."""

from __future__ import annotations

import dataclasses
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import pytest
from annotated_types import Ge, Le
from PIL import Image

from app.images.conversion import Conversion
from app.images.operation import Explained, Framing, Operation, Painting, Scene, Sheet, image_operations
from app.images.params import described, query_model, read_transform
from app.images.pipeline import OPERATIONS, ORDER
from app.images.placement import Placement
from tests.images.peak_child import FACES
from tests.images.renders import render
from tests.images.test_peak import measured
from tests.imaging.pictures import scene, with_alpha
from tests.imaging.test_cost import KINDS
from tests.media_files import REPOSITORY

WISHES: dict[str, dict[str, Any]] = {
    "crop": {"crop": "10%,10%,50%,60%"},
    "rotate": {"rotate": "90"},
    "flip": {"flip": "horizontal"},
    "resize": {"width": "500", "height": "400", "fit": "cover"},
    "anonymize": {"anonymize": "faces"},
    "color": {"brightness": "1.2", "contrast": "1.3", "saturation": "0.5"},
    "pixelate": {"pixelate": "12"},
    "blur": {"blur": "5"},
    "sharpen": {"sharpen": "3"},
    "background": {"background": "ff8800"},
    "watermark": {"watermark": "0" * 22},
}
"""One wish for each operation. A new one has its own here."""

FOUND = image_operations()
NEEDS_MORE = {"watermark"}
"""Operations that need another picture: they are tried in `tests/images/test_routes.py`."""

every_operation = pytest.mark.parametrize("operation", FOUND.values(), ids=FOUND.keys())
every_alone = pytest.mark.parametrize("name", [name for name in FOUND if name not in NEEDS_MORE])


def test_every_operation_has_its_place_and_a_wish_here() -> None:
    assert [one.name for one in OPERATIONS] == [name for name in ORDER if name in FOUND]
    assert FOUND.keys() <= WISHES.keys()


@every_operation
def test_its_parameters_are_described_bounded_and_change_nothing_by_default(operation: type[Operation]) -> None:
    hints = get_type_hints(operation.Params, include_extras=True)

    assert vars(operation.Params)["__dataclass_params__"].frozen
    for one in dataclasses.fields(operation.Params):
        assert one.default is not dataclasses.MISSING, f"{one.name} has no default"
        (explained,) = [note for note in get_args(hints[one.name])[1:] if isinstance(note, Explained)]
        assert explained.text.endswith(".")
        assert _is_bounded(hints[one.name], explained), f"{one.name} has no bounds"
    assert operation.settled(operation.Params()) == operation.Params()


def _is_bounded(hint: Any, explained: Explained) -> bool:
    base, *notes = get_args(hint)
    kinds = [kind for kind in get_args(base) if kind is not type(None)] if type(None) in get_args(base) else [base]
    for kind in kinds:
        inner = list(get_args(kind)[1:]) if get_origin(kind) is Annotated else []
        plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
        bounds = [note for note in (*notes, *inner) if isinstance(note, Ge | Le)]
        if plain is str and explained.pattern is None:
            return False
        if plain in (int, float) and len(bounds) < 2:
            return False
        if plain not in (str, int, float, bool) and get_origin(plain) is not Literal:
            return False
    return True


def test_no_two_have_a_parameter_of_the_same_name() -> None:
    names = [field.name for one in (*FOUND.values(),) for field in dataclasses.fields(one.Params)]
    names += [field.name for field in dataclasses.fields(Conversion)]

    assert len(names) == len(set(names)) == len(query_model().model_fields)


@every_operation
def test_each_parameter_has_a_json_schema(operation: type[Operation]) -> None:
    for schema in described(operation.Params).values():
        assert schema["description"]
        assert "default" in schema


@every_operation
def test_its_module_is_light(operation: type[Operation]) -> None:
    program = f"import sys, json; import {operation.__module__}; json.dump(sorted(sys.modules), sys.stdout)"

    outcome = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, check=True, timeout=30
    )

    loaded = {name.partition(".")[0] for name in json.loads(outcome.stdout)}
    assert not loaded & {"numpy", "PIL", "fastapi", "starlette", "pydantic", "mediapipe"}


@every_operation
def test_it_frames_or_paints(operation: type[Operation]) -> None:
    assert issubclass(operation, Framing) != issubclass(operation, Painting)
    assert not inspect.isabstract(operation)


@every_alone
def test_the_key_tells_that_it_is_wanted(name: str) -> None:
    wanted, plain = read_transform(WISHES[name]), read_transform({})

    assert wanted.params(name) is not None
    assert wanted.key != plain.key
    assert wanted == read_transform(WISHES[name])


@every_alone
def test_it_does_the_same_each_time(name: str) -> None:
    picture = KINDS["png alpha"]((300, 200))

    first, second = (render(picture, FACES, **WISHES[name]) for _ in range(2))

    assert first.data == second.data


@every_alone
def test_the_answer_is_as_large_as_it_was_planned(name: str) -> None:
    for kind in ("jpeg", "png alpha", "png grey"):
        rendered = render(KINDS[kind]((300, 200)), FACES, **WISHES[name])

        result = rendered.plan.work.result
        assert rendered.image.size == (result.width, result.height)
        assert rendered.head["sizeBytes"] == len(rendered.data) <= rendered.plan.most_bytes


@pytest.mark.parametrize("operation", [one for one in FOUND.values() if issubclass(one, Painting)])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_what_it_paints_has_a_mode_that_the_next_one_takes(operation: type[Painting], mode: str) -> None:
    image = (with_alpha(scene()) if mode == "RGBA" else scene()).convert(mode)
    mark = Image.new("RGBA", (20, 10), (255, 0, 0, 128))
    placement = Placement.of(image.size)
    params = read_transform(WISHES[operation.name]).params(operation.name)
    for keeps_alpha in (False, True):
        scene_ = Scene(placement, FACES, keeps_alpha, mark)
        sheet = Sheet(*image.size, len(image.getbands()))

        painted = operation.paint(params, image.copy(), scene_)

        assert painted.mode in ("L", "RGB", "RGBA")
        result = operation.result(params, sheet, scene_)
        assert painted.size == (result.width, result.height)
        assert len(painted.getbands()) <= result.channels


@every_alone
@pytest.mark.parametrize("kind", ["jpeg", "png alpha"])
def test_it_takes_no_more_than_it_declares(tmp_path: Path, name: str, kind: str) -> None:
    taken, predicted = measured(tmp_path, kind, KINDS[kind]((1600, 1200)), WISHES[name])

    assert taken <= predicted
