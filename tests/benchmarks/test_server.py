from __future__ import annotations

import os
import signal

import pytest

from benchmarks.server import ServiceFault, run_service
from benchmarks.tree import find_tree, is_alive


def test_a_service_is_ready_when_it_is_lent_and_gone_after() -> None:
    with run_service() as service, service.connect() as client:
        tree = find_tree(service.pid)

        assert client.get("/health/live").status == 200
        assert service.ready_seconds > 0
        assert service.memory().processes[0].pid == service.pid

    assert tree
    assert not any(is_alive(process) for process in tree)


def test_what_a_service_says_when_it_does_not_start_is_told() -> None:
    with pytest.raises(ServiceFault, match="BALLAST_SERVER__PORT"), run_service({"BALLAST_SERVER__PORT": "many"}):
        pass


def test_a_service_that_ended_by_itself_is_a_fault() -> None:
    def run_and_kill() -> None:
        with run_service() as service:
            os.kill(service.pid, signal.SIGKILL)
            os.waitid(os.P_PID, service.pid, os.WEXITED | os.WNOWAIT)

    with pytest.raises(ServiceFault, match="ended by itself with -9"):
        run_and_kill()


def test_settings_of_this_process_do_not_reach_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALLAST_VISION__MAX_WIDTH", "320")

    with run_service({"BALLAST_VISION__MAX_HEIGHT": "240"}) as service, service.connect() as client:
        limits = client.get("/v1/limits").json()

    values = {setting["name"]: setting["value"] for setting in limits["settings"]}
    assert values["BALLAST_VISION__MAX_HEIGHT"] == 240
    assert values["BALLAST_VISION__MAX_WIDTH"] == 640
