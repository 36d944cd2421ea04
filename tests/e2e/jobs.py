"""Jobs of a running service, for tests: the kinds are those of `tests.jobs.samples`."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.server import RunningServer, eventually

PROGRAM = ("tests.jobs.sample_service",)
FINISHED = ("succeeded", "failed", "cancelled")


@cache
def clip() -> bytes:
    """Return one second of video and sound."""
    ffmpeg = shutil.which("ffmpeg")
    assert ffmpeg is not None, "ffmpeg is needed"
    made = subprocess.run(
        [
            *(ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc=d=1:s=160x90:r=25"),
            *("-f", "lavfi", "-i", "sine=d=1", "-pix_fmt", "yuv420p", "-shortest"),
            *("-movflags", "frag_keyframe+empty_moov", "-f", "mp4", "pipe:1"),
        ],
        capture_output=True,
        check=True,
        timeout=50,
    )
    return made.stdout


def upload(client: httpx.Client) -> str:
    """Store the clip and return its id."""
    answer = client.post("/v1/media?inline=never", content=clip(), headers={"content-type": "video/mp4"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def order(media_id: str, kind: str = "count", **members: Any) -> dict[str, Any]:
    return {"kind": kind, "input": media_id, **members}


def submit(client: httpx.Client, media_id: str, kind: str = "count", **members: Any) -> dict[str, Any]:
    """Submit a job, and return it."""
    answer = client.post("/v1/jobs", json=order(media_id, kind, **members))
    assert answer.status_code == 202, answer.text
    document: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{document['id']}"
    return document


def job(client: httpx.Client, job_id: str) -> dict[str, Any]:
    document: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").raise_for_status().json()
    return document


def wait_for(client: httpx.Client, job_id: str, *states: str, seconds: float = 40.0) -> dict[str, Any]:
    """Return the job as soon as it is in one of these states; it must not end in another."""

    def look() -> dict[str, Any] | None:
        found = job(client, job_id)
        assert found["state"] in states or found["state"] not in FINISHED, found
        return found if found["state"] in states else None

    found = eventually(look, seconds)
    assert found is not None
    return found


def begun(server: RunningServer, job_id: str) -> list[int]:
    """Return the steps of a job of kind `count`, as often as each was begun, in order."""
    log = server.root / "jobs" / "begun.log"
    lines = log.read_text().split("\n") if log.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith(job_id)]


def left_over(root: Path) -> list[str]:
    """Return what is left of jobs on the disk beside the book and the child's file."""
    known = {"book.sqlite3", "book.sqlite3-shm", "book.sqlite3-wal", "engine", "begun.log"}
    return sorted(path.name for path in (root / "jobs").iterdir() if path.name not in known)


def settings(**more: str) -> Mapping[str, str]:
    return {"MEMORY__LIMIT": "1G", "JOBS__WORKERS": "1", "JOBS__IDLE_SECONDS": "30", **more}
