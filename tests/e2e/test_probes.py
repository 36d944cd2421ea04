"""Probes and limits of the real service, and the answers that are written by hand against their schemas."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.settings.variables import environment_names
from app.status.schema import MemorySchema
from app.storage.discovery import complete_settings
from app.vision.schema import AnalysisSchema, TaskListSchema
from tests.e2e.pictures import thumb
from tests.e2e.server import RunningServer, eventually, run_server

pytestmark = [pytest.mark.model, pytest.mark.photo]

LIMIT_BYTES = 500 << 20
SETTINGS = {name for name, _, _ in environment_names(complete_settings())}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {"MEMORY__LIMIT": "500M", "MEMORY__SAMPLE_SECONDS": "0.1", "VISION__WORKERS": "1"}
    with run_server(tmp_path_factory.mktemp("probes"), settings) as server:
        for _ in range(3):
            answer = httpx.post(f"{server.url}/v1/vision/gestures", content=thumb(), timeout=30)
            assert answer.status_code == 200
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def test_the_probes_answer(client: httpx.Client) -> None:
    answers = {name: client.get(f"/health/{name}") for name in ("live", "ready", "startup")}

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert answers["ready"].json() == {"status": "ready", "reasons": []}


def test_the_memory_probe_has_every_member(server: RunningServer) -> None:
    memory = server.memory()

    MemorySchema.model_validate(memory)  # it knows no other members, and asks for all of them
    assert memory["processes"]
    assert memory["budget"]["holders"]
    assert memory["forecast"]
    assert memory["limitBytes"] == LIMIT_BYTES
    assert memory["limitSource"] == "setting"
    assert memory["level"] == "LOW"


def test_the_working_set_is_what_holders_have_and_the_rest(server: RunningServer) -> None:
    for _ in range(10):
        memory = server.memory()
        seen = sum(holder["residentBytes"] for holder in memory["budget"]["holders"])

        assert seen + memory["unaccountedBytes"] == memory["workingSetBytes"]
        assert memory["availableBytes"] == memory["limitBytes"] - memory["workingSetBytes"]


def test_what_is_not_accounted_for_is_little(server: RunningServer) -> None:
    """Each process of ours is seen in a holder, so only what lies between the processes is left."""
    eventually(
        lambda: (
            {h["owner"] for h in server.memory()["budget"]["holders"] if h["residentBytes"]}
            >= {"api", "zygote", "model:gestures"}
        )
    )

    memory = server.memory()

    assert abs(memory["unaccountedBytes"]) <= 0.1 * memory["workingSetBytes"]


def test_every_process_is_told_with_its_role(server: RunningServer) -> None:
    (zygote,), (child,) = server.zygotes(), server.children()

    processes = {process["pid"]: process for process in server.memory()["processes"]}

    roles = {pid: process["role"] for pid, process in processes.items()}
    assert roles == {server.process.pid: "api", zygote: "zygote", child: "vision"}
    assert all(process["peakRssBytes"] >= process["rssBytes"] > 0 for process in processes.values())


def test_nothing_is_held_but_by_the_service_its_processes_and_the_cache(server: RunningServer) -> None:
    memory = server.memory()

    owners = sorted(holder["owner"] for holder in memory["budget"]["holders"])
    assert owners == ["api", "cache", "connections", "connections", "model:gestures", "resumable", "storage", "zygote"]
    assert memory["budget"]["reservedBytes"] == sum(h["reservedBytes"] for h in memory["budget"]["holders"])
    assert memory["budget"]["waiting"] == 0


def test_the_children_are_in_their_cage(server: RunningServer) -> None:
    sandbox = server.memory()["sandbox"]

    assert sandbox["network"] is False
    assert sandbox["parentDeathSignal"] is True
    assert sandbox["oomScoreAdj"] > 0
    assert sandbox["dataLimitBytes"] > 0


def test_samples_go_on(server: RunningServer) -> None:
    first = server.memory()["sampledAt"]

    eventually(lambda: server.memory()["sampledAt"] != first)


def test_hot_answers_keep_to_their_schemas(client: httpx.Client) -> None:
    for task in ("hands", "gestures"):
        AnalysisSchema.model_validate_json(client.post(f"/v1/vision/{task}?cache=false", content=thumb()).content)
    TaskListSchema.model_validate_json(client.get("/v1/vision").content)
    MemorySchema.model_validate_json(client.get("/metrics/memory").content)


def test_tasks_tell_their_parameters_and_their_memory(client: httpx.Client) -> None:
    tasks = {task["name"]: task for task in client.get("/v1/vision").json()["tasks"]}

    assert set(tasks) >= {"hands", "gestures"}
    assert tasks["gestures"]["state"] == "ready"
    assert tasks["gestures"]["residentBytes"] > 0
    assert tasks["gestures"]["idleSeconds"] >= 0
    assert set(tasks["hands"]["parameters"]) == {"maxHands", "minConfidence"}


def test_limits_list_every_setting_with_default_and_value(client: httpx.Client) -> None:
    document: dict[str, Any] = client.get("/v1/limits").json()

    listed = {setting["name"]: setting for setting in document["settings"]}
    assert set(listed) == SETTINGS
    assert all(setting.keys() == {"name", "description", "default", "value"} for setting in listed.values())
    assert listed["BALLAST_MEMORY__LIMIT"]["value"] == LIMIT_BYTES
    assert listed["BALLAST_VISION__WORKERS"]["value"] == 1
    assert listed["BALLAST_UPLOAD__INLINE_MAX_BYTES"]["default"] == 50 << 20
    assert document["derived"]["limitBytes"] == LIMIT_BYTES
    assert document["derived"]["budgetBytes"] == int(0.85 * LIMIT_BYTES)


def test_probes_answer_while_the_worker_is_busy(server: RunningServer, client: httpx.Client) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as threads:
        calls = [
            threads.submit(httpx.post, f"{server.url}/v1/vision/hands?cache=false", content=thumb(), timeout=30)
            for _ in range(24)
        ]
        probed = 0
        while not all(call.done() for call in calls):
            assert client.get("/health/live").status_code == 200
            probed += 1
            time.sleep(0.01)

    assert [call.result().status_code for call in calls] == [200] * 24
    assert probed >= 1


def test_a_service_that_was_killed_says_so_when_it_comes_back(tmp_path: Path) -> None:
    with run_server(tmp_path, {"MEMORY__SAMPLE_SECONDS": "0.1"}) as server:
        eventually((server.root / "state" / "memory.json").exists)
        server.process.kill()
        server.process.wait()

    with run_server(tmp_path) as server:
        after_kill = server.memory()["lastOom"]
    with run_server(tmp_path) as server:
        after_order = server.memory()["lastOom"]

    assert after_kill["evidence"] in ("counter", "inferred")
    assert after_order is None
