"""The first command of all: `make run` sets up, serves, and ends in order at Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import eventually, service_environment
from tests.media_files import REPOSITORY


@pytest.mark.timeout(420)
def test_make_run_serves_until_somebody_presses_ctrl_c(tmp_path: Path) -> None:
    log = tmp_path / "log"
    environment = service_environment({"STORAGE__ROOT": str(tmp_path / "var")})
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["make", "run"], cwd=REPOSITORY, env=environment, stdout=file, stderr=file, start_new_session=True
        )
    try:
        port = eventually(lambda: _port(log, process), 120)
        assert httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=30).status_code == 200
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
        process.wait(60)
        assert "Traceback" not in log.read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _port(log: Path, process: subprocess.Popen[bytes]) -> int | None:
    assert process.poll() is None, log.read_text()[-2000:]
    lines = [line for line in log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
    ports = [json.loads(line).get("port") for line in lines]
    return next((port for port in ports if port is not None), None)
