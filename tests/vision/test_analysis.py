"""One picture through the analysis: what is checked before anything is reserved, and what is reserved."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

from app.derived.cache import DerivedCache
from app.domain.analysis_size import AnalysisSize
from app.domain.pressure import POLICIES, ModePolicy, PressureLevel, ProcessingMode
from app.domain.priority import Priority
from app.domain.receipt import Receipt
from app.domain.units import MIB
from app.errors import InvalidMedia, MemoryExceedsLimit, PayloadTooLarge, TooManyPixels, UnsupportedMedia, WorkerFailed
from app.media.pictures import Picture
from app.memory.customer import Customer
from app.memory.governor import Governor
from app.settings import ImageSettings, VisionSettings
from app.vision.analysis import Analysis, AnalysisRequest
from app.vision.lease import Grant, Lease
from app.vision.model import ServedModel
from app.vision.model_key import ModelKey
from app.vision.remembered import RememberedResults
from app.vision.result import AnalysisResult
from app.vision.schema import AnalysisSchema
from app.vision.task import Model, VisionTask
from app.vision.vision import Vision
from app.workers.reply import Reply
from tests.e2e.pictures import png_file
from tests.samples import png

MAX_BYTES = 50_000


class Toes(VisionTask):
    name = "toes"

    @classmethod
    def load(cls, asset: Path, params: Any) -> Model:
        raise NotImplementedError


@dataclass
class FakeForecast:
    factor: float = 2.0
    observed: list[tuple[str, int, int]] = field(default_factory=list)

    def predict(self, _operation: str, formula_bytes: int) -> int:
        return int(self.factor * formula_bytes)

    def observe(self, operation: str, formula_bytes: int, peak_bytes: int) -> None:
        self.observed.append((operation, formula_bytes, peak_bytes))


@dataclass
class FakeGovernor:
    level: PressureLevel = PressureLevel.LOW
    forecast: FakeForecast = field(default_factory=FakeForecast)
    trims: int = 0
    limit_bytes: int = 1 << 30

    @property
    def budget(self) -> FakeGovernor:
        return self

    @property
    def policy(self) -> ModePolicy:
        return POLICIES[self.level]

    @property
    def mode(self) -> ProcessingMode:
        return self.policy.mode

    @property
    def trimmer(self) -> FakeGovernor:
        return self

    def request(self) -> None:
        self.trims += 1


@dataclass
class FakeVision:
    """Leases a model that answers as the engine does, so many `leases`."""

    held: int = 0
    fresh: int | None = None
    to_fit_beside: list[int] = field(default_factory=list)
    peak_bytes: int | None = 123
    error: Exception | None = None
    leases: int = 0
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def resolve(self, _task: object, params: object) -> object:
        return params

    def key(self, task: type[VisionTask], params: object) -> ModelKey:
        return ModelKey(task, Path("toe_landmarker.task"), params)

    def held_bytes(self, _key: ModelKey) -> int:
        return self.held

    def least_held_bytes(self, _key: ModelKey) -> int:
        return self.held if self.fresh is None else self.fresh

    def replace_large(self, _key: ModelKey, beside_bytes: int) -> None:
        self.to_fit_beside.append(beside_bytes)

    @asynccontextmanager
    async def lease(
        self, key: ModelKey, _picture: object, grant: Grant, _tracker: object = None
    ) -> AsyncIterator[Lease]:
        self.leases += 1
        async with grant() as reservation:
            yield Lease(ServedModel(key), reservation)

    async def analyze(self, *given: object) -> Reply:
        self.calls.append(given)
        if self.error is not None:
            raise self.error
        head = {
            "width": 3, "height": 2, "analyzedWidth": 3, "analyzedHeight": 2, "decodeSeconds": 0.25,
            "inferenceSeconds": 0.5,
        }  # fmt: skip
        payload = b'[{"landmarks":[{"x":0.5,"y":0.5,"z":0.0}]}]'
        return Reply(head=head, payload=payload, pid=1, queued_seconds=0.125, peak_bytes=self.peak_bytes)


class FakePicture(Picture):
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.customer = Customer(Priority.REQUEST, "me", 10)
        self.granted_parts: list[dict[str, int]] = []

    async def put_aside(self) -> None:
        self.data = b""

    @asynccontextmanager
    async def granted(self, parts: Mapping[str, int], owner: str) -> AsyncIterator[Any]:
        assert owner == "vision:toes"
        self.granted_parts.append(dict(parts))
        yield None


@dataclass
class House:
    governor: FakeGovernor
    vision: FakeVision
    analysis: Analysis

    async def analyze(self, picture: FakePicture) -> AnalysisResult:
        return await self.analysis.analyze(AnalysisRequest(Toes, {}, "me"), picture)


@pytest.fixture
def build() -> Callable[..., House]:
    def build(max_pixels: int = 1_000_000, **vision_settings: Any) -> House:
        governor, vision = FakeGovernor(), FakeVision()
        settings = VisionSettings(max_bytes=MAX_BYTES, **vision_settings)
        analysis = Analysis(
            cast("Vision", vision),
            cast("Governor", governor),
            settings,
            ImageSettings(max_pixels=max_pixels),
            RememberedResults(cast("DerivedCache", None)),
        )
        return House(governor, vision, analysis)

    return build


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    return build()


async def test_what_the_worker_says_is_the_answer(house: House) -> None:
    result = await house.analyze(FakePicture(png()))

    document = json.loads(result.to_json(first=1))
    assert result.body() == result.to_json()
    assert document.pop("first") == 1
    AnalysisSchema.model_validate(document)
    assert document["timing"] == {"queuedSeconds": 0.125, "decodeSeconds": 0.25, "inferenceSeconds": 0.5}
    assert document["detections"][0]["landmarks"][0]["x"] == 0.5
    assert result.seconds == 0.75
    assert house.governor.trims == 1


async def test_the_answer_says_in_which_mode_it_was_made(house: House) -> None:
    house.governor.level = PressureLevel.HIGH

    result = await house.analyze(FakePicture(png()))

    assert json.loads(result.to_json())["mode"] == "MEMORY_OPTIMIZED"
    assert result.receipt.mode is ProcessingMode.MEMORY_OPTIMIZED


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", UnsupportedMedia),
        (b"text", UnsupportedMedia),
        (b"\x89PNG\r\n\x1a\n", InvalidMedia),
        (b"x" * (MAX_BYTES + 1), PayloadTooLarge),
        (png_file((b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0))), TooManyPixels),
    ],
    ids=["empty", "text", "no-header", "too-long", "bomb"],
)
async def test_a_bad_picture_is_refused_before_anything_is_leased_or_reserved(
    house: House, data: bytes, error: type[Exception]
) -> None:
    picture = FakePicture(data)

    with pytest.raises(error):
        await house.analyze(picture)

    assert picture.granted_parts == []
    assert house.vision.leases == 0


async def test_all_that_the_work_takes_is_asked_for_in_one_grant(house: House) -> None:
    picture = FakePicture(png())

    result = await house.analyze(picture)

    (parts,) = picture.granted_parts
    (_, _, _, plan, _) = house.vision.calls[0]
    assert parts == {"decode": plan.decode_bytes + len(picture.data)}
    assert result.receipt == Receipt(sum(parts.values()), 123, ProcessingMode.FULL_QUALITY)


async def test_the_forecast_predicts_and_learns(house: House) -> None:
    house.governor.forecast.factor = 1.0
    plain = FakePicture(png())
    await house.analyze(plain)
    house.governor.forecast.factor = 3.0
    expensive = FakePicture(png())

    await house.analyze(expensive)

    assert expensive.granted_parts[0]["decode"] > 2 * plain.granted_parts[0]["decode"]
    assert [(operation, peak) for operation, _, peak in house.governor.forecast.observed] == [("decode-png", 123)] * 2


async def test_nothing_is_learned_from_a_call_that_was_not_measured_alone(house: House) -> None:
    house.vision.peak_bytes = None

    result = await house.analyze(FakePicture(png()))

    assert house.governor.forecast.observed == []
    assert result.receipt.peak_bytes is None


async def test_an_error_of_the_worker_passes_through(house: House) -> None:
    house.vision.error = WorkerFailed("It died.")

    with pytest.raises(WorkerFailed):
        await house.analyze(FakePicture(png()))

    assert house.governor.forecast.observed == []


@pytest.mark.parametrize(
    ("level", "configured", "expected"),
    [
        (PressureLevel.LOW, (640, 480), (640, 480)),
        (PressureLevel.MODERATE, (640, 480), (640, 480)),
        (PressureLevel.HIGH, (640, 480), (320, 240)),
        (PressureLevel.CRITICAL, (640, 480), (320, 240)),
        (PressureLevel.HIGH, (320, 240), (256, 192)),
        (PressureLevel.HIGH, (128, 96), (128, 96)),
        (PressureLevel.HIGH, (1920, 1080), (960, 540)),
    ],
)
def test_pictures_are_looked_at_smaller_under_pressure_but_not_too_small(
    build: Callable[..., House], level: PressureLevel, configured: tuple[int, int], expected: tuple[int, int]
) -> None:
    house = build(max_width=configured[0], max_height=configured[1])
    house.governor.level = level

    assert house.analysis.box() == AnalysisSize(*expected)


def baseline(width: int, height: int) -> FakePicture:
    """Return a baseline JPEG, which is decoded at a scale: less for a smaller size."""
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "JPEG")
    return FakePicture(file.getvalue())


async def test_what_does_not_fit_beside_its_worker_is_looked_at_in_half_the_size(house: House) -> None:
    picture = baseline(1200, 800)
    house.vision.held = 1000
    full = await house.analyze(picture)
    needed_bytes = picture.granted_parts[0]["decode"] + len(picture.data) + house.vision.held
    house.governor.limit_bytes = needed_bytes - 1

    smaller = await house.analyze(picture)

    assert (full.reduced, smaller.reduced) == (False, True)
    assert b'"reduced":true' in smaller.to_json()
    assert picture.granted_parts[1]["decode"] < picture.granted_parts[0]["decode"]


async def test_what_could_never_fit_is_refused_at_once_with_both_numbers(house: House) -> None:
    house.governor.limit_bytes = 1000

    with pytest.raises(MemoryExceedsLimit) as refusal:
        await house.analyze(baseline(1200, 800))

    assert refusal.value.extra["limitBytes"] == 1000
    assert house.vision.calls == []


async def test_a_picture_that_fitted_is_not_refused_for_ever_because_a_model_has_grown(house: House) -> None:
    picture = baseline(1200, 800)
    await house.analyze(picture)
    decode_bytes = picture.granted_parts[0]["decode"]
    house.vision.held, house.vision.fresh = 100 * MIB, 1000
    house.governor.limit_bytes = 50 * MIB

    await house.analyze(picture)

    assert decode_bytes < 50 * MIB
    assert house.vision.to_fit_beside == [picture.granted_parts[1]["decode"] + len(picture.data)]


async def test_a_picture_that_fitted_is_not_refused_for_ever_because_of_what_was_learned(house: House) -> None:
    picture = baseline(1200, 800)
    await house.analyze(picture)
    formula_bytes = picture.granted_parts[0]["decode"] - len(picture.data)
    house.governor.limit_bytes = formula_bytes + 3 * len(picture.data)
    house.governor.forecast.factor = 10.0

    await house.analyze(picture)

    assert sum(picture.granted_parts[1].values()) <= house.governor.limit_bytes
