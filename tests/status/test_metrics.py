"""Prometheus metrics: names as Prometheus wants them, and the same numbers as the memory probe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as strict_families
from prometheus_client.parser import text_string_to_metric_families

from app.main import create_app
from app.settings import MemorySettings, Settings, StorageSettings
from tests.memory.gauges import FakeGauge
from tests.samples import png
from tests.serving import serve

UNITS = ("bytes", "seconds", "ratio")
COUNTED = ("requests", "entries", "items", "inodes", "connections", "listeners")
"""Things that are counted stand at the end, in the plural, as a unit does."""
STATES = {
    "ballast_memory_pressure_level", "ballast_ready", "ballast_disk_hanging", "ballast_disk_full", "ballast_build_info",
    "ballast_jobs_child_up",
}  # fmt: skip
"""A number that stands for a word, or for yes and no, has no unit."""
OF_ALL_SERVICES = "process_"
"""What Prometheus' client libraries tell of a process, under the names that they share."""
HOW_MANY = re.compile(r"ballast_(workers|models|streams|uploads|jobs|steps)_(running|loaded|active)|ballast_tempfiles")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service in which something was stored, and whose gauge always shows the same."""
    settings = Settings(
        memory=MemorySettings(sample_seconds=0.05),
        storage=StorageSettings(root=tmp_path_factory.mktemp("metrics"), allow_tmpfs=True, free_floor=0),
    )
    with (
        serve(create_app(settings, gauge=FakeGauge(0.75).as_gauge)) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        assert client.post("/v1/media", content=png(), headers={"Content-Type": "image/png"}).status_code == 201
        client.post("/v1/memory/reclaim")
        yield client


@pytest.fixture(scope="module")
def metrics(client: httpx.Client) -> dict[str, Metric]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {family.name: family for family in families if not family.name.startswith(OF_ALL_SERVICES)}


def value(metrics: dict[str, Metric], name: str, **labels: str) -> float:
    """Return the value of the one sample with these labels."""
    found = [
        sample.value
        for family in metrics.values()
        for sample in family.samples
        if sample.name == f"ballast_{name}" and sample.labels == labels
    ]
    assert len(found) == 1, (name, labels, found)
    return found[0]


def names(metrics: dict[str, Metric], kind: str) -> list[str]:
    """Return the names of all metrics of a kind, as a query would have them."""
    return [name + ("_total" if kind == "counter" else "") for name, one in metrics.items() if one.type == kind]


def test_there_are_metrics_of_three_kinds(metrics: dict[str, Metric]) -> None:
    assert {one.type for one in metrics.values()} == {"counter", "gauge", "histogram"}
    assert len(metrics) >= 30


def test_names_are_plain_words_with_our_prefix(metrics: dict[str, Metric]) -> None:
    wrong = [name for name in metrics if not re.fullmatch(r"ballast(_[a-z]+)+", name)]

    assert wrong == []


def test_counters_end_in_total_and_gauges_do_not(client: httpx.Client, metrics: dict[str, Metric]) -> None:
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith("# TYPE ")]
    exposed = {line.split()[2]: line.split()[3] for line in lines if OF_ALL_SERVICES not in line.split()[2][:8]}

    assert exposed
    assert [name for name, kind in exposed.items() if name.endswith("_total") != (kind == "counter")] == []
    assert sorted(names(metrics, "counter")) == sorted(name for name, kind in exposed.items() if kind == "counter")


def test_every_gauge_says_what_it_is_counted_in(metrics: dict[str, Metric]) -> None:
    without = [
        name
        for name in names(metrics, "gauge")
        if not name.endswith(tuple(f"_{unit}" for unit in (*UNITS, *COUNTED)))
        and name not in STATES
        and not HOW_MANY.fullmatch(name)
    ]

    assert without == []


def test_units_are_base_units_written_out(metrics: dict[str, Metric]) -> None:
    shunned = re.compile(r"_(kb|mb|mib|kib|ms|us|millis|milliseconds|minutes|percent|pct|size|b|s)(_|$)")

    assert [name for name in metrics if shunned.search(name)] == []


def test_no_name_ends_as_those_of_histograms_do(metrics: dict[str, Metric]) -> None:
    reserved = ("_count", "_sum", "_bucket", "_info", "_created")

    assert [name for name in metrics if name.endswith(reserved)] == ["ballast_build_info"]


def test_histograms_are_of_seconds_and_their_buckets_rise(metrics: dict[str, Metric]) -> None:
    assert all(name.endswith("_seconds") for name in names(metrics, "histogram"))
    for name in names(metrics, "histogram"):
        of_one: dict[tuple[str, ...], list[float]] = {}
        for sample in metrics[name].samples:
            if sample.name.endswith("_bucket"):
                labels = {label: word for label, word in sample.labels.items() if label != "le"}
                of_one.setdefault(tuple(labels.values()), []).append(sample.value)
        assert of_one
        assert all(counts == sorted(counts) for counts in of_one.values())


def test_the_process_is_told_as_every_service_tells_it(client: httpx.Client) -> None:
    found = {family.name for family in text_string_to_metric_families(client.get("/metrics").text)}

    assert found >= {"process_open_fds", "process_max_fds", "process_start_time_seconds", "process_cpu_seconds"}


def test_who_asks_for_openmetrics_gets_it(client: httpx.Client) -> None:
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})

    families = list(strict_families(answer.text))  # type: ignore[no-untyped-call]  # refuses what the standard does not allow
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")
    assert {"ballast_http_requests", "ballast_memory_wait_seconds"} <= {family.name for family in families}


def test_no_name_says_its_kind(metrics: dict[str, Metric]) -> None:
    assert [name for name in metrics if re.search(r"_(gauge|counter|metric|histogram)(_|$)", name)] == []


def test_every_metric_is_explained_in_a_sentence_of_its_own(metrics: dict[str, Metric]) -> None:
    words = [one.documentation for one in metrics.values()]

    assert [text for text in words if len(text) < 10 or not text.endswith(".")] == []
    assert len(set(words)) == len(words)


def test_labels_are_few_and_plain(metrics: dict[str, Metric]) -> None:
    labels = {label for one in metrics.values() for sample in one.samples for label in sample.labels}

    assert labels <= {
        "owner", "role", "reason", "source", "task", "route", "method", "status", "state", "class", "cause", "verb",
        "le", "version", "python", "kind",
    }  # fmt: skip


def test_no_sample_stands_twice(metrics: dict[str, Metric]) -> None:
    samples = [(s.name, tuple(sorted(s.labels.items()))) for one in metrics.values() for s in one.samples]

    assert len(samples) == len(set(samples))


def test_the_numbers_are_those_of_the_memory_probe(client: httpx.Client, metrics: dict[str, Metric]) -> None:
    memory: dict[str, Any] = client.get("/metrics/memory").json()
    budget = memory["budget"]

    assert {
        "memory_limit_bytes": memory["limitBytes"],
        "memory_working_set_bytes": memory["workingSetBytes"],
        "memory_pressure_ratio": memory["pressure"],
        "memory_pressure_level": 1,
        "memory_budget_bytes": budget["totalBytes"],
        "memory_free_bytes": budget["freeBytes"],
        "memory_waiting_requests": budget["waiting"],
        "memory_grants_total": budget["grantedTotal"],
        "memory_unaccounted_bytes": memory["unaccountedBytes"],
        "memory_oom_kills_total": memory["oomKills"],
        "memory_reclaim_runs_total": memory["reclaimed"]["runs"],
        "memory_reclaimed_bytes_total": memory["reclaimed"]["bytes"],
        "streams_active": memory["streams"]["active"],
        "stream_frames_total": memory["streams"]["frames"],
        "uploads_active": memory["uploads"]["active"],
        "tempfiles": memory["tempFiles"]["count"],
        "cache_entries": memory["cache"]["entries"],
        "cache_bytes": memory["cache"]["sizeBytes"],
        "cache_hits_total": memory["cache"]["hits"],
        "cache_misses_total": memory["cache"]["misses"],
    } == {
        name: value(metrics, name)
        for name in (
            "memory_limit_bytes", "memory_working_set_bytes", "memory_pressure_ratio", "memory_pressure_level",
            "memory_budget_bytes", "memory_free_bytes", "memory_waiting_requests", "memory_grants_total",
            "memory_unaccounted_bytes", "memory_oom_kills_total", "memory_reclaim_runs_total",
            "memory_reclaimed_bytes_total", "streams_active", "stream_frames_total", "uploads_active",
            "tempfiles", "cache_entries", "cache_bytes", "cache_hits_total", "cache_misses_total",
        )
    }  # fmt: skip
    assert (memory["level"], memory["mode"]) == ("MODERATE", "BALANCED")
    assert memory["reclaimed"]["runs"] >= 1


def test_what_the_holders_have_adds_up(client: httpx.Client, metrics: dict[str, Metric]) -> None:
    memory: dict[str, Any] = client.get("/metrics/memory").json()
    owners = {holder["owner"] for holder in memory["budget"]["holders"]}

    reserved = {owner: value(metrics, "memory_reserved_bytes", owner=owner) for owner in owners}
    resident = {owner: value(metrics, "memory_resident_bytes", owner=owner) for owner in owners}

    assert owners >= {"api"}
    assert sum(reserved.values()) == memory["budget"]["reservedBytes"]
    unaccounted = value(metrics, "memory_unaccounted_bytes")
    assert sum(resident.values()) + unaccounted == value(metrics, "memory_working_set_bytes")


def test_processes_are_told_by_their_role(client: httpx.Client, metrics: dict[str, Metric]) -> None:
    (process,) = client.get("/metrics/memory").json()["processes"]

    assert value(metrics, "process_resident_memory_bytes", role="api") == process["rssBytes"]


def test_stored_media_is_counted(metrics: dict[str, Metric]) -> None:
    assert value(metrics, "storage_stored_bytes") == len(png())


def test_a_scrape_changes_nothing(client: httpx.Client) -> None:
    def but_for_time(text: str) -> list[str]:
        changing = ("age", "process_", "ballast_http_", 'route="/metrics"', "connections")
        return [line for line in text.splitlines() if not any(word in line for word in changing)]

    assert but_for_time(client.get("/metrics").text) == but_for_time(client.get("/metrics").text)
