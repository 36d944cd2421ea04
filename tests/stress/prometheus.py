"""A real Prometheus (Debian's package) that scrapes services under test, with our alerts in quick time."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.media_files import REPOSITORY
from tests.serving import free_port

ALERTS = REPOSITORY / "docs" / "monitoring" / "alerts.yml"
DASHBOARD = REPOSITORY / "docs" / "monitoring" / "dashboard.json"

_CONFIGURATION = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [alerts.yml]
scrape_configs:
  - job_name: ballast
    static_configs: [{{targets: [{targets}]}}]
"""

needs_prometheus = pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")


@dataclass(frozen=True, slots=True)
class Prometheus:
    url: str

    def ask(self, path: str, **parameters: str) -> Any:
        """Return `data` of an answer of its API.

        Raises:
            urllib.error.HTTPError: it does not understand the query.
        """
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=10) as answer:
            document = json.load(answer)
        assert document["status"] == "success"
        return document["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def rules(self) -> list[str]:
        """Return the names of the alerts that it knows."""
        return [rule["name"] for group in self.ask("rules")["groups"] for rule in group["rules"]]

    def firing(self) -> set[tuple[str, str]]:
        """Return the name and the instance of each alert that fires."""
        alerts = self.ask("alerts")["alerts"]
        return {
            (alert["labels"]["alertname"], alert["labels"]["instance"])
            for alert in alerts
            if alert["state"] == "firing"
        }


def in_quick_time(rules: str) -> str:
    """Return the rules with windows of seconds for minutes, and alerts that fire after a second."""
    return re.sub(r"for: \w+", "for: 1s", re.sub(r"\[\w+\]", "[10s]", rules))


@contextmanager
def run_prometheus(folder: Path, targets: Sequence[str]) -> Iterator[Prometheus]:
    """Scrape `targets` (host:port) each second for the block."""
    folder.mkdir()
    (folder / "alerts.yml").write_text(in_quick_time(ALERTS.read_text()))
    quoted = ", ".join(f'"{target}"' for target in targets)
    (folder / "prometheus.yml").write_text(_CONFIGURATION.format(targets=quoted))
    port = free_port()
    command = [
        "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
    try:
        prometheus = Prometheus(f"http://127.0.0.1:{port}")
        _wait_until_ready(prometheus, process, folder / "log")
        yield prometheus
    finally:
        process.terminate()
        process.wait(20)


def _wait_until_ready(prometheus: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up_at = time.monotonic() + 30
    while time.monotonic() < give_up_at:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            with urllib.request.urlopen(f"{prometheus.url}/-/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"prometheus is not ready: {log.read_text()[-2000:]}")
