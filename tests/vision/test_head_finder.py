"""Heads in a picture: what is looked at, what is reserved, and what is remembered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from app.derived.cache import DerivedCache, Found
from app.domain.analysis_size import AnalysisSize
from app.domain.pressure import PressureLevel
from app.errors import MemoryExceedsLimit, UnsupportedMedia
from app.memory.cache import CacheKey
from app.memory.governor import Governor
from app.vision.head_finder import HeadFinder
from app.vision.remembered import RememberedResults
from app.vision.tasks.face_detection import FaceDetection
from app.vision.vision import Vision
from app.workers.reply import Reply
from tests.imaging.pictures import encode, scene
from tests.vision.test_analysis import FakeGovernor, FakePicture, FakeVision
from tests.vision.test_head import turned_face

SIZE = (800, 600)
BOX = AnalysisSize(4096, 4096)


@dataclass
class FaceVision(FakeVision):
    """Answers with two faces; notes in which order the model is leased and the bytes are granted."""

    steps: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def lease(self, key: Any, picture: Any, grant: Any, tracker: object = None) -> AsyncIterator[Any]:
        self.steps.append("leased")
        async with super().lease(key, picture, grant, tracker) as lease:
            yield lease

    async def analyze(self, *given: object) -> Reply:
        self.calls.append(given)
        self.steps.append("called")
        head = {
            "width": 800, "height": 600, "analyzedWidth": 800, "analyzedHeight": 600, "decodeSeconds": 0.25,
            "inferenceSeconds": 0.5,
        }  # fmt: skip
        payload = json.dumps([turned_face(0), turned_face(90, 50, (100, 100))]).encode()
        return Reply(head=head, payload=payload, pid=1, queued_seconds=0.0, peak_bytes=self.peak_bytes)


class FacePicture(FakePicture):
    def __init__(self, data: bytes, steps: list[str]) -> None:
        super().__init__(data)
        self._steps = steps

    @asynccontextmanager
    async def granted(self, parts: Mapping[str, int], owner: str) -> AsyncIterator[Any]:
        assert owner == "vision:face-detection"
        self._steps.append("granted")
        self.granted_parts.append(dict(parts))
        yield None


class Remembered(dict[CacheKey, Found]):
    def find_in_memory(self, key: CacheKey) -> Found | None:
        return self.get(key)

    async def keep(self, key: CacheKey, head: bytes, body: bytes) -> None:
        self[key] = Found(head, body)


@dataclass
class House:
    governor: FakeGovernor = field(default_factory=FakeGovernor)
    vision: FaceVision = field(default_factory=FaceVision)

    def __post_init__(self) -> None:
        remembered = RememberedResults(cast("DerivedCache", Remembered()))
        self.finder = HeadFinder(
            cast("Vision", self.vision), cast("Governor", self.governor), FaceDetection, 50_000_000, remembered
        )

    def picture(self, data: bytes | None = None) -> FacePicture:
        return FacePicture(encode(scene(*SIZE), "jpeg") if data is None else data, self.vision.steps)

    @property
    def plan(self) -> Any:
        return self.vision.calls[-1][3]


async def test_each_face_is_answered_as_its_head() -> None:
    house = House()

    heads = await house.finder.find(house.picture(), BOX)

    first, second = heads.regions
    assert first.height * 600 > first.width * 800 > 100
    assert second.width * 800 > second.height * 600 > 50


async def test_first_the_model_is_leased_then_all_is_reserved_in_one_grant_then_it_is_called() -> None:
    house = House()
    picture = house.picture()

    heads = await house.finder.find(picture, BOX)

    assert house.vision.steps == ["leased", "granted", "called"]
    (parts,) = picture.granted_parts
    assert parts == {"decode": house.plan.decode_bytes + len(picture.data)}
    assert heads.receipt.predicted_bytes == sum(parts.values())
    assert heads.receipt.peak_bytes == 123


async def test_the_child_is_asked_to_search_and_given_time_for_all_looks() -> None:
    house = House()

    await house.finder.find(house.picture(), BOX)

    assert house.plan.as_head()["search"] is True
    assert house.plan.deadline_seconds > 10


async def test_pressure_makes_no_look_less_close() -> None:
    house = House()
    house.governor.level = PressureLevel.HIGH

    heads = await house.finder.find(house.picture(), AnalysisSize(800, 800))

    assert house.plan.box == AnalysisSize(800, 800)
    assert not heads.receipt.reduced


async def test_no_picture_is_looked_at_larger_than_the_largest_box() -> None:
    house = House()

    await house.finder.find(house.picture(), AnalysisSize(9000, 9000))

    assert house.plan.box == AnalysisSize(4096, 4096)


async def test_what_could_never_fit_is_looked_at_in_half_the_size_and_the_receipt_says_so() -> None:
    house = House()
    await house.finder.find(house.picture(), AnalysisSize(800, 800))
    house.governor.limit_bytes = house.plan.decode_bytes
    other = house.picture(encode(scene(*SIZE), "jpeg", quality=90))

    heads = await house.finder.find(other, AnalysisSize(800, 800))

    assert house.plan.box == AnalysisSize(400, 400)
    assert heads.receipt.reduced


async def test_what_does_not_fit_even_so_is_refused_with_both_numbers() -> None:
    house = House()
    house.governor.limit_bytes = 1000

    with pytest.raises(MemoryExceedsLimit) as refusal:
        await house.finder.find(house.picture(), BOX)

    assert refusal.value.extra["limitBytes"] == 1000
    assert house.vision.calls == []


async def test_what_is_no_picture_is_refused_before_anything_is_leased() -> None:
    house = House()

    with pytest.raises(UnsupportedMedia):
        await house.finder.find(house.picture(b"text"), BOX)

    assert house.vision.steps == []


async def test_the_same_picture_is_searched_once_for_each_box() -> None:
    house = House()
    first = await house.finder.find(house.picture(), BOX)

    again = await house.finder.find(house.picture(), BOX)
    await house.finder.find(house.picture(), AnalysisSize(300, 300))

    assert again.regions == first.regions
    assert len(house.vision.calls) == 2


async def test_the_forecast_learns_from_a_search() -> None:
    house = House()

    await house.finder.find(house.picture(), BOX)

    assert [(operation, peak) for operation, _, peak in house.governor.forecast.observed] == [("search-jpeg", 123)]
