"""The shelf of loaded models, with models that only count."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from app.vision.models import ModelShelf
from app.vision.task import Found, Model, VisionTask

ASSET = Path("model.task")


@dataclass(frozen=True, slots=True)
class Params:
    number: int = 0


@dataclass(frozen=True, slots=True)
class OtherParams:
    number: int = 0


class CountedModel(Model):
    """Knows whether it was closed, and how many threads were in it at once."""

    def __init__(self, params: object) -> None:
        self.params = params
        self.is_closed = False

    def detect(self, rgb: Any, timestamp_ms: int | None = None) -> Found:  # noqa: ARG002 - part of the interface
        assert not self.is_closed
        return Found([])

    def close(self) -> None:
        assert not self.is_closed, "closed twice"
        self.is_closed = True


class Small(VisionTask):
    name = "small"
    summary = "a part of what Large finds"
    asset = "small.task"
    Params = Params
    model_bytes = 1
    instance_bytes = 1
    served_by = "large"
    on_load: ClassVar[Callable[[], None]] = staticmethod(lambda: None)

    @classmethod
    def load(cls, asset: Path, params: Any) -> Model:  # noqa: ARG003 - part of the interface
        cls.on_load()
        return CountedModel(params)


class Large(VisionTask):
    name = "large"
    summary = "everything"
    asset = "large.task"
    Params = OtherParams
    model_bytes = 2
    instance_bytes = 2

    @classmethod
    def load(cls, asset: Path, params: Any) -> Model:  # noqa: ARG003 - part of the interface
        return CountedModel(params)


def _shelf(slots: int = 1, resident_bytes: Callable[[], int] = lambda: 0) -> ModelShelf:
    return ModelShelf(slots, resident_bytes)


def _loaded(shelf: ModelShelf) -> list[str]:
    return [one.task for one in shelf.loaded()]


def _lease_once(shelf: ModelShelf, task: type[VisionTask], params: object) -> CountedModel:
    with shelf.lease(task, ASSET, params) as model:
        assert isinstance(model, CountedModel)
        return model


def test_a_model_is_loaded_once_for_the_same_parameters() -> None:
    shelf = _shelf()

    first = _lease_once(shelf, Small, Params(1))
    second = _lease_once(shelf, Small, Params(1))

    assert second is first
    assert _loaded(shelf) == ["small"]


def test_an_idle_model_is_replaced_for_other_parameters() -> None:
    shelf = _shelf()

    first = _lease_once(shelf, Small, Params(1))
    second = _lease_once(shelf, Small, Params(2))

    assert first.is_closed
    assert not second.is_closed
    assert _loaded(shelf) == ["small"]


def test_another_model_is_loaded_beside_one_at_work_while_slots_are_left() -> None:
    shelf = _shelf(slots=2)

    with shelf.lease(Small, ASSET, Params(1)) as first, shelf.lease(Small, ASSET, Params(1)) as second:
        assert first is not second
        assert _loaded(shelf) == ["small", "small"]


def test_a_model_at_work_is_never_closed() -> None:
    shelf = _shelf(slots=2)

    with shelf.lease(Small, ASSET, Params(1)) as at_work:
        for number in range(2, 6):
            _lease_once(shelf, Small, Params(number))

        at_work.detect(None)  # type: ignore[arg-type]

    assert len(_loaded(shelf)) == 2


def test_the_model_of_the_task_that_serves_it_is_lent() -> None:
    shelf = _shelf()
    large = _lease_once(shelf, Large, OtherParams(1))

    lent = _lease_once(shelf, Small, Params(1))

    assert lent is large
    assert _loaded(shelf) == ["large"]


def test_the_model_of_the_task_that_serves_it_is_not_lent_for_other_parameters() -> None:
    shelf = _shelf()
    large = _lease_once(shelf, Large, OtherParams(1))

    own = _lease_once(shelf, Small, Params(2))

    assert own is not large
    assert not large.is_closed


def test_a_task_does_not_serve_the_one_that_serves_it() -> None:
    shelf = _shelf()
    small = _lease_once(shelf, Small, Params(1))

    assert _lease_once(shelf, Large, OtherParams(1)) is not small


def test_a_load_that_fails_leaves_nothing_and_the_next_one_works(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = _shelf()

    def fail() -> None:
        raise RuntimeError("Unable to open zip archive.")

    monkeypatch.setattr(Small, "on_load", staticmethod(fail))
    with pytest.raises(RuntimeError):
        _lease_once(shelf, Small, Params(1))
    monkeypatch.undo()

    assert _loaded(shelf) == []
    assert not _lease_once(shelf, Small, Params(1)).is_closed


def test_a_model_comes_back_after_a_call_that_failed() -> None:
    shelf = _shelf()

    with pytest.raises(ZeroDivisionError), shelf.lease(Small, ASSET, Params(1)) as first:
        raise ZeroDivisionError

    assert _lease_once(shelf, Small, Params(1)) is first


def test_idle_models_are_unloaded_and_others_kept() -> None:
    shelf = _shelf(slots=2)
    idle = _lease_once(shelf, Large, OtherParams(1))
    with shelf.lease(Small, ASSET, Params(5)) as at_work:
        counts = shelf.unload("large"), shelf.unload("small")

        at_work.detect(None)  # type: ignore[arg-type]

    assert counts == (1, 0)
    assert idle.is_closed
    assert _loaded(shelf) == ["small"]


def test_idle_instances_beyond_the_number_that_is_kept_are_closed() -> None:
    shelf = _shelf(slots=2)
    with shelf.lease(Small, ASSET, Params(1)) as first, shelf.lease(Small, ASSET, Params(2)):
        shelf.unload_surplus(1)
        at_work = _loaded(shelf)
    _lease_once(shelf, Large, OtherParams(9))

    shelf.unload_surplus(1)

    assert at_work == ["small", "small"]
    assert _loaded(shelf) == ["small", "large"]
    assert isinstance(first, CountedModel)
    assert first.is_closed


def test_the_growth_of_the_process_is_kept_with_the_model() -> None:
    sizes = iter([100, 140, 200, 190])
    shelf = _shelf(slots=2, resident_bytes=lambda: next(sizes))

    _lease_once(shelf, Large, OtherParams(1))
    _lease_once(shelf, Small, Params(2))

    assert [one.resident_bytes for one in shelf.loaded()] == [40, 0]


def test_there_are_never_more_models_of_a_task_than_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads load at the same time while a third model is idle: one of them must take its place."""
    shelf = _shelf(slots=2)
    _lease_once(shelf, Small, Params(0))
    together = threading.Barrier(2)

    def meet() -> None:
        try:
            together.wait(0.5)
        except threading.BrokenBarrierError:
            return  # loads are made one after the other: right, too

    monkeypatch.setattr(Small, "on_load", staticmethod(meet))
    threads = [threading.Thread(target=_lease_once, args=(shelf, Small, Params(number))) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(_loaded(shelf)) <= 2
