"""Jobs of a running service, as a benchmark asks for them: stored, submitted, waited for, measured."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks.client import Client
from benchmarks.server import Service, run_service

_LOOK_SECONDS = 0.02
_FINISHED = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Done:
    """A finished job. `start_seconds`: from before it was submitted to its first step; `wall_seconds`: from there to
    its end; `cpu_seconds`: of the programs that it ran, ffmpeg and ffprobe."""

    document: Mapping[str, Any]
    start_seconds: float
    wall_seconds: float
    cpu_seconds: float

    @property
    def summary(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.document["result"]["summary"]
        return found

    @property
    def result(self) -> str:
        """The address of the first thing that it made."""
        url: str = self.document["result"]["media"][0]["url"]
        return url


class JobService:
    """A service with its jobs. Made by `job_service`."""

    def __init__(self, service: Service, client: Client) -> None:
        self.service = service
        self._client = client

    def store(self, path: Path) -> str:
        answer = self._client.post("/v1/media?inline=never&name=film.mp4", path.read_bytes(), "video/mp4")
        if answer.status != 201:
            raise SystemExit(f"the film was not stored: {answer.body[:300]!r}")
        media_id: str = answer.json()["id"]
        return media_id

    def fetch(self, address: str) -> bytes:
        return self._client.get(address).body

    def do(self, kind: str, media_id: str, params: Mapping[str, Any]) -> Done:
        """Have a job done; it must succeed."""
        order = json.dumps({"kind": kind, "input": media_id, "params": params}).encode()
        cpu, began = self._children_seconds(), time.time()
        answer = self._client.post("/v1/jobs", order, "application/json")
        document = answer.json()
        if answer.status != 202:
            raise SystemExit(f"{kind} was refused: {document}")
        while document["state"] not in _FINISHED:
            time.sleep(_LOOK_SECONDS)
            document = self._client.get(f"/v1/jobs/{document['id']}").json()
        if document["state"] != "succeeded":
            raise SystemExit(f"{kind} ended so: {document['state']} {document['error']}")
        started, finished = (_moment(document[name]) for name in ("startedAt", "finishedAt"))
        return Done(document, started - began, finished - started, self._children_seconds() - cpu)

    def has_engine(self) -> bool:
        """Return whether the jobs child is there."""
        return any(process["role"] == "jobs" for process in self._client.get("/metrics/memory").json()["processes"])

    def await_end_of_engine(self) -> None:
        while self.has_engine():
            time.sleep(_LOOK_SECONDS)

    def rss_bytes(self) -> int:
        """Return the resident memory of the API process."""
        found: int = psutil.Process(self.service.pid).memory_info().rss
        return found

    def _children_seconds(self) -> float:
        """Return the CPU time of the children that have ended."""
        times = psutil.Process(self.service.pid).cpu_times()
        return float(times.children_user + times.children_system)


@contextmanager
def job_service(**settings: str) -> Iterator[JobService]:
    """Start a service for jobs, and stop it. `settings` are `BALLAST_*` variables without that prefix."""
    named = {f"BALLAST_{name}": value for name, value in settings.items()}
    with run_service({"BALLAST_MEMORY__LIMIT": "3G", **named}) as service, service.connect() as client:
        yield JobService(service, client)


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
