"""What a probe finds out comes with the answer where it is quick, and else by itself afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from tests.e2e.server import eventually, run_server
from tests.ffmpeg.clips import clip

FILM = {"Content-Type": "video/mp4"}


def test_details_that_take_long_come_after_the_answer_and_can_be_asked_for(tmp_path: Path) -> None:
    with run_server(tmp_path, {"UPLOAD__PROBE_SECONDS": "0.001"}) as server, server.client() as client:
        answers = [client.post("/v1/media?inline=never", content=clip("mp4"), headers=FILM).json() for _ in range(3)]
        assert [(item["details"], item["width"]) for item in answers] == [("pending", None)] * 3

        for item in answers:
            found = eventually(lambda url=f"/v1/media/{item['id']}": known(client, url), 30)  # type: ignore[misc]
            assert (found["width"], found["height"], found["durationSeconds"]) == (320, 180, 1.0)
        asked = client.post(f"/v1/media/{answers[0]['id']}/details")
        assert (asked.status_code, asked.json()["details"]) == (200, "complete")


def test_details_that_are_pending_survive_a_restart(tmp_path: Path) -> None:
    never = {"UPLOAD__PROBE_SECONDS": "0.001", "MEMORY__LIMIT": "200M"}
    with run_server(tmp_path, never) as server, server.client() as client:
        item = client.post("/v1/media?inline=never", content=clip("mp4"), headers=FILM).json()
        server.process.kill()
        server.process.wait()

    with run_server(tmp_path) as server, server.client() as client:
        found = eventually(lambda: known(client, f"/v1/media/{item['id']}"), 30)

    assert found["width"] == 320


def known(client: httpx.Client, url: str) -> dict[str, Any]:
    item: dict[str, Any] = client.get(url).raise_for_status().json()
    return item if item["details"] == "complete" else {}
