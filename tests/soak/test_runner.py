from __future__ import annotations

from typing import Any

from soak.runner import unfinished


def report(**changes: Any) -> dict[str, Any]:
    idle: dict[str, Any] = {
        "budget": {"waiting": 0, "holders": [{"owner": "api"}, {"owner": "model:hands"}]},
        "tempFiles": {"count": 0},
        "uploads": {"active": 0},
        "streams": {"active": 0},
    }
    return idle | changes


def test_an_idle_service_has_nothing_unfinished() -> None:
    assert unfinished(report()) == []


def test_work_files_uploads_and_streams_are_unfinished() -> None:
    busy = report(
        budget={"waiting": 2, "holders": [{"owner": "api"}, {"owner": "vision:hands"}]},
        tempFiles={"count": 1},
        uploads={"active": 1},
        streams={"active": 4},
    )

    assert unfinished(busy) == ["vision:hands", "2 waiting", "1 temporary files", "1 uploads", "4 streams"]
