"""What can be asked and done about memory over HTTP, with a gauge that shows what the test sets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.domain.units import MIB
from app.main import create_app
from app.memory.governor import API_BYTES, Governor
from app.server.lifecycle import Lifecycle
from app.settings import MemorySettings, ServerSettings, Settings, StorageSettings
from app.status.memory import levels
from app.status.schema import AdviceSchema, MemorySchema, ReclaimReportSchema
from app.storage.catalogue import KEPT_BYTES
from tests.e2e.server import eventually, problem_of
from tests.memory.gauges import LIMIT_BYTES, FakeGauge, make_governor
from tests.serving import serve

LOW, MODERATE, HIGH, CRITICAL = 0.1, 0.75, 0.84, 0.92
LISTENERS = 16
BUDGET_BYTES = int(0.85 * LIMIT_BYTES)


@pytest.fixture(scope="module")
def gauge() -> FakeGauge:
    return FakeGauge()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, gauge: FakeGauge) -> Iterator[int]:
    settings = Settings(
        memory=MemorySettings(sample_seconds=0.02, fast_sample_seconds=0.02),
        server=ServerSettings(max_event_streams=LISTENERS),
        storage=StorageSettings(root=tmp_path_factory.mktemp("memory"), allow_tmpfs=True, free_floor=0),
    )
    with serve(create_app(settings, gauge=gauge.as_gauge)) as port:
        yield port


@pytest.fixture
def client(port: int, gauge: FakeGauge) -> Iterator[httpx.Client]:
    """A client; each test begins and ends at LOW."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        yield client
        at(client, gauge, LOW)


def at(client: httpx.Client, gauge: FakeGauge, share: float) -> dict[str, Any]:
    """Set the working set and wait until it was measured; return the memory probe's answer."""
    gauge.share = share
    wanted = int(share * LIMIT_BYTES)

    def measured() -> dict[str, Any] | None:
        memory: dict[str, Any] = client.get("/metrics/memory").json()
        return memory if memory["workingSetBytes"] == wanted else None

    memory = eventually(measured)
    assert memory is not None
    return memory


def test_the_probe_tells_what_the_gauge_shows(client: httpx.Client, gauge: FakeGauge) -> None:
    memory = at(client, gauge, MODERATE)

    MemorySchema.model_validate(memory)
    assert (memory["level"], memory["mode"], memory["pressure"]) == ("MODERATE", "BALANCED", 0.75)
    assert memory["reasons"] == ["working set 0.75 of the limit"]
    assert memory["limitBytes"] == LIMIT_BYTES
    assert memory["availableBytes"] == LIMIT_BYTES - memory["workingSetBytes"]
    assert memory["unaccountedBytes"] == memory["workingSetBytes"] - 60 * MIB
    assert memory["budget"]["totalBytes"] == BUDGET_BYTES
    assert memory["budget"]["holders"][0] | {"ageSeconds": 0} == {
        "owner": "api", "reservedBytes": API_BYTES, "residentBytes": 60 * MIB, "ageSeconds": 0,
    }  # fmt: skip
    assert memory["lastOom"] is None


def test_pressure_fails_readiness_and_never_liveness(client: httpx.Client, gauge: FakeGauge) -> None:
    codes = {}
    for name, share in (("LOW", LOW), ("HIGH", HIGH), ("CRITICAL", CRITICAL), ("again", LOW)):
        at(client, gauge, share)
        codes[name] = (client.get("/health/ready").status_code, client.get("/health/live").status_code)

    assert codes == {"LOW": (200, 200), "HIGH": (200, 200), "CRITICAL": (503, 200), "again": (200, 200)}


def test_readiness_says_why(client: httpx.Client, gauge: FakeGauge) -> None:
    at(client, gauge, CRITICAL)

    assert client.get("/health/ready").json() == {
        "status": "not ready", "reasons": ["memory is critical: working set 0.92 of the limit"],
    }  # fmt: skip


class TestAdvice:
    def test_the_numbers_are_those_of_the_ledger(self, client: httpx.Client) -> None:
        advice = client.get("/v1/memory/advice", params={"bytes": 5 * MIB, "width": 1000, "height": 500}).json()

        AdviceSchema.model_validate(advice)
        assert advice["neededBytes"] == 1000 * 500 * 3 + 5 * MIB
        assert advice["chunkBytes"] == 5 * MIB
        assert advice["fits"] is True
        assert advice["largestGrantBytes"] == BUDGET_BYTES - API_BYTES - KEPT_BYTES
        assert advice["freeBytes"] == client.get("/metrics/memory").json()["budget"]["freeBytes"]
        assert (advice["analysisWidth"], advice["analysisHeight"]) == (640, 480)
        assert (advice["level"], advice["mode"], advice["ffmpegProfile"]) == ("LOW", "FULL_QUALITY", "HIGH")
        assert advice["frameStride"] == 1
        assert advice["workers"] >= 1

    def test_it_follows_the_pressure(self, client: httpx.Client, gauge: FakeGauge) -> None:
        at(client, gauge, HIGH)

        advice = client.get("/v1/memory/advice").json()

        assert (advice["level"], advice["mode"], advice["ffmpegProfile"]) == ("HIGH", "MEMORY_OPTIMIZED", "LOW")
        assert (advice["analysisWidth"], advice["frameStride"]) == (320, 2)

    def test_nothing_fits_and_nobody_works_when_memory_is_critical(
        self, client: httpx.Client, gauge: FakeGauge
    ) -> None:
        at(client, gauge, CRITICAL)

        advice = client.get("/v1/memory/advice", params={"bytes": 1}).json()

        assert (advice["fits"], advice["workers"], advice["freeBytes"]) == (False, 0, 0)

    def test_a_picture_that_could_never_fit_does_not(self, client: httpx.Client) -> None:
        assert client.get("/v1/memory/advice", params={"width": 30000, "height": 30000}).json()["fits"] is False

    @pytest.mark.parametrize("query", ["bytes=-1", "width=x", "height=99999999", "bytes=1e3"])
    def test_nonsense_is_refused(self, client: httpx.Client, query: str) -> None:
        answer = client.get(f"/v1/memory/advice?{query}")

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")


class TestReclaim:
    def test_it_answers_what_each_freed(self, client: httpx.Client) -> None:
        report = ReclaimReportSchema.model_validate(client.post("/v1/memory/reclaim").json())

        assert report.freed_bytes == sum(one.freed_bytes for one in report.reclaimers)
        assert {one.name for one in report.reclaimers} <= {
            "cache", "idle imaging", "idle jobs child", "idle models", "idle workers", "idle zygote", "garbage",
            "malloc_trim",
        }  # fmt: skip
        assert "cache" in [one.name for one in report.reclaimers]
        assert [one.error for one in report.reclaimers] == [None] * len(report.reclaimers)

    def test_it_is_counted(self, client: httpx.Client) -> None:
        client.post("/v1/memory/reclaim")  # joins one that a test before may have left running
        before = client.get("/metrics/memory").json()["reclaimed"]

        client.post("/v1/memory/reclaim")

        after = client.get("/metrics/memory").json()["reclaimed"]
        assert after["runs"] == before["runs"] + 1
        assert after["lastAt"] is not None

    def test_it_cannot_be_done_by_following_a_link_or_from_a_foreign_page(self, client: httpx.Client) -> None:
        assert client.get("/v1/memory/reclaim").status_code == 405
        assert client.post("/v1/memory/reclaim", headers={"Origin": "https://elsewhere.example"}).status_code == 403


class TestEvents:
    def test_the_present_level_comes_at_once_and_then_each_change(self, client: httpx.Client, gauge: FakeGauge) -> None:
        with listening(client) as events:
            first = next(events)
            at_high = set_and_take(gauge, HIGH, events)
            at_low = set_and_take(gauge, LOW, events)

        assert [one["level"] for one in (first, at_high, at_low)] == ["LOW", "HIGH", "LOW"]
        assert at_high["mode"] == "MEMORY_OPTIMIZED"
        assert at_high["pressure"] == HIGH
        assert at_high["limitBytes"] == LIMIT_BYTES
        assert at_high["workingSetBytes"] == int(HIGH * LIMIT_BYTES)
        assert at_high["reasons"] == ["working set 0.84 of the limit"]
        assert at_high["sampledAt"] > first["sampledAt"]

    def test_who_comes_late_is_told_the_present_level(self, client: httpx.Client, gauge: FakeGauge) -> None:
        at(client, gauge, MODERATE)

        with listening(client) as events:
            assert next(events)["level"] == "MODERATE"

    def test_every_listener_is_told(self, client: httpx.Client, gauge: FakeGauge) -> None:
        with listening(client) as one, listening(client) as other:
            assert next(one)["level"] == next(other)["level"] == "LOW"
            gauge.share = HIGH

            assert next(one)["level"] == next(other)["level"] == "HIGH"

    def test_they_are_asked_for_anew_each_time(self, client: httpx.Client) -> None:
        with client.stream("GET", "/v1/memory/events") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["cache-control"] == "no-cache"

    def test_one_client_has_only_so_many(self, client: httpx.Client) -> None:
        with ExitStack() as listeners:
            streams = [listeners.enter_context(listening(client)) for _ in range(LISTENERS // 4)]
            assert [next(events)["level"] for events in streams] == ["LOW"] * (LISTENERS // 4)

            refused = client.get("/v1/memory/events")

        problem_of(refused, 429, "too_many_requests")
        eventually(lambda: "events" not in owners(client))
        with listening(client) as events:
            assert next(events)["level"] == "LOW"

    def test_each_is_charged_while_it_listens(self, client: httpx.Client) -> None:
        with listening(client) as events:
            next(events)
            assert owners(client).count("events") == 1

        eventually(lambda: "events" not in owners(client))


def owners(client: httpx.Client) -> list[str]:
    return [holder["owner"] for holder in client.get("/metrics/memory").json()["budget"]["holders"]]


@contextmanager
def listening(client: httpx.Client) -> Iterator[Iterator[dict[str, Any]]]:
    with client.stream("GET", "/v1/memory/events") as answer:
        assert answer.status_code == 200
        yield parsed(answer.iter_lines())


def parsed(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("event: "):
            assert line == "event: level"
            yield json.loads(next(lines).removeprefix("data: "))


def set_and_take(gauge: FakeGauge, share: float, events: Iterator[dict[str, Any]]) -> dict[str, Any]:
    gauge.share = share
    return next(events)


@pytest.fixture
async def governor(tmp_path: Path) -> AsyncIterator[Governor]:
    governor = make_governor(tmp_path)
    yield governor
    await governor.aclose()


async def test_events_end_when_the_service_does(governor: Governor) -> None:
    lifecycle = Lifecycle()
    events = levels(governor, lifecycle)
    first = await anext(events)

    lifecycle.drain()

    async with asyncio.timeout(5):
        assert [event async for event in events] == []
    assert first.level == "LOW"
    assert governor._listeners == []


async def test_a_listener_that_goes_leaves_nothing(governor: Governor) -> None:
    before = asyncio.all_tasks()
    events = levels(governor, Lifecycle())
    await anext(events)

    await events.aclose()
    await asyncio.sleep(0)

    assert governor._listeners == []
    assert asyncio.all_tasks() == before


async def test_a_change_between_two_looks_is_not_lost(tmp_path: Path) -> None:
    gauge = FakeGauge()
    governor = make_governor(tmp_path, gauge)
    events = levels(governor, Lifecycle())
    await anext(events)

    gauge.share = HIGH
    governor.measure()
    event = await anext(events)

    assert event.level == "HIGH"
    await events.aclose()
    await governor.aclose()


async def test_who_asks_for_it_hears_the_level_again_without_a_change(governor: Governor) -> None:
    events = levels(governor, Lifecycle(), every_seconds=0.01)

    async with asyncio.timeout(30):
        heard = [(await anext(events)).level for _ in range(3)]

    assert heard == ["LOW", "LOW", "LOW"]
    await events.aclose()
