"""The load of jobs: one after the other on a small film, of some kinds in turn; results are deleted."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Mapping
from typing import Any

from soak.http import LOST, Answer, HttpClient, pause_seconds
from soak.tally import Tally

KINDS: Mapping[str, Mapping[str, Any]] = {
    "transcode": {"maxHeight": 240},
    "thumbnails": {"count": 4, "sheet": True},
    "analyze": {"sampleFps": 5},
}
"""The kinds that are tried, and their parameters; `analyze` is given a task."""

_LOOK_SECONDS = 0.25
_RECONNECT_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 5.0
_FINISHED = ("succeeded", "failed", "cancelled")


class JobLoad:
    """Has one job at a time done on `film`; `task` is what is looked for in it."""

    def __init__(self, port: int, film: bytes, task: str, tally: Tally) -> None:
        self._port = port
        self._film = film
        self._task = task
        self._tally = tally

    async def run(self) -> None:
        """Go on until cancelled; then the job that is at work is cancelled, too."""
        client = HttpClient(self._port)
        try:
            media_id = await self._insist(client, "POST", "/v1/media?inline=never&name=soak.mp4", self._film)
            for kind in itertools.cycle(KINDS):
                await self._do(client, kind, media_id["id"])
        finally:
            client.close()

    async def _do(self, client: HttpClient, kind: str, media_id: str) -> None:
        """Have a job done, count what became of it, and delete it with its results."""
        more = {"task": self._task} if kind == "analyze" else {}
        order = {"kind": kind, "input": media_id, "params": {**KINDS[kind], **more}}
        began = time.monotonic()
        job = await self._insist(client, "POST", "/v1/jobs", json.dumps(order).encode())
        if "id" not in job:
            self._count(kind, "refused", job)
            await asyncio.sleep(_RECONNECT_SECONDS)
            return
        path = f"/v1/jobs/{job['id']}"
        try:
            while job["state"] not in _FINISHED:
                await asyncio.sleep(_LOOK_SECONDS)
                job = await self._insist(client, "GET", path)
        except asyncio.CancelledError:
            await self._ask(client, "POST", f"{path}/cancel")
            raise
        self._count(kind, job["state"], job["error"])
        self._tally.job_seconds.append(time.monotonic() - began)
        await self._insist(client, "DELETE", f"{path}?results=true")

    def _count(self, kind: str, end: str, problem: Mapping[str, Any] | None) -> None:
        """Count an end; that a job can never have so much memory is an answer, any other problem is a wrong one."""
        code = "" if problem is None else f" {problem.get('code')}"
        self._tally.job_ends[f"{kind} {end}{code}"] += 1
        if problem is not None and problem.get("code") != "memory_exceeds_limit":
            self._tally.wrong_answers[f"job: {kind} {end}{code}: {problem.get('detail')}"] += 1

    async def _insist(self, client: HttpClient, method: str, path: str, body: bytes = b"") -> dict[str, Any]:
        """Ask until there is an answer that is not "later"; return what it says, which may be a problem."""
        while True:
            answer = await self._ask(client, method, path, body)
            if answer is None:
                await asyncio.sleep(_RECONNECT_SECONDS)
            elif answer.status == 503 and "retry-after" in answer.headers:
                self._tally.job_ends["503 for a while"] += 1
                await asyncio.sleep(min(pause_seconds(answer), _LONGEST_PAUSE_SECONDS))
            else:
                return dict(answer.json()) if answer.body else {}

    async def _ask(self, client: HttpClient, method: str, path: str, body: bytes = b"") -> Answer | None:
        """Return the answer; None where the connection was lost, which is counted."""
        content_type = "application/json" if path == "/v1/jobs" else "video/mp4"
        head = client.head(method, path, len(body), content_type if body else None)
        try:
            return await client.exchange(head, body)
        except LOST as error:
            self._tally.lose("job", error)
            return None
