"""The alerts and the dashboard of docs/monitoring ask for what there is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.main import create_app
from app.settings import Settings
from app.status.metrics import render
from tests.media_files import REPOSITORY

MONITORING = REPOSITORY / "docs" / "monitoring"
OF_S3 = {
    "ballast_object_store_away",
    "ballast_object_store_request_seconds_bucket",
    "ballast_object_store_errors_total",
}

_NAME = re.compile(r"\b(?:ballast|process)_\w+")


def dashboard() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text())
    return document


def expressions() -> list[str]:
    """Return every query of the dashboard and of the alerts."""
    targets = [target for panel in dashboard()["panels"] for target in panel.get("targets", [])]
    alerts = (MONITORING / "alerts.yml").read_text()
    asked = re.findall(r"expr:(.*?)(?=\n +(?:for|labels):)", alerts, re.DOTALL)
    assert len(asked) == alerts.count("- alert:")
    return [target["expr"] for target in targets] + asked


async def exposed(tmp_path: Path) -> set[str]:
    """Return the name of every sample of a service on the local disk, and what an object store adds."""
    app = create_app(Settings.model_validate({"storage": {"root": tmp_path / "var", "allow_tmpfs": True}}))
    async with app.router.lifespan_context(app) as state:
        body, _ = render((state or {})["status"])
    names = {re.split(r"[{ ]", line)[0] for line in body.decode().splitlines() if not line.startswith("#")}
    return names | OF_S3


async def test_no_query_asks_for_what_is_not_there(tmp_path: Path) -> None:
    asked = {name for expression in expressions() for name in _NAME.findall(expression)}

    assert len(asked) >= 30
    assert asked - await exposed(tmp_path) == set()


def test_every_alert_says_what_it_means_and_what_to_do() -> None:
    for block in (MONITORING / "alerts.yml").read_text().split("- alert: ")[1:]:
        assert re.match(r"Ballast[A-Z]\w+\n", block)
        for word in ("severity: ", "summary: ", "description: "):
            assert word in block


def test_panels_have_one_title_each_and_do_not_overlap() -> None:
    panels = dashboard()["panels"]

    titles = [panel["title"] for panel in panels]
    places = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(titles)) == len(titles) >= 25
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) < 24


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed")
def test_prometheus_takes_the_alerts() -> None:
    checked = subprocess.run(
        ["promtool", "check", "rules", str(MONITORING / "alerts.yml")], capture_output=True, timeout=60, check=False
    )

    assert checked.returncode == 0, checked.stdout
