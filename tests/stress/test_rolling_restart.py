"""Two services behind nginx are restarted one after the other, under load: nobody notices who retries nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import pytest

from tests.e2e.pictures import thumb
from tests.e2e.server import run_server
from tests.samples import png
from tests.serving import free_port
from tests.stress.nginx import needs_nginx, run_nginx

CLIENTS = 12
ROUNDS = 2
LAME_DUCK_SECONDS = 2


@dataclass(slots=True)
class Load:
    """Clients that upload, list and analyse, each over a connection that is kept alive, until they are stopped."""

    url: str
    stopped: bool = False
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as clients:
            for number in range(CLIENTS):
                clients.create_task(self._work(number))

    async def _work(self, number: int) -> None:
        transport = httpx.AsyncHTTPTransport(retries=0)
        async with httpx.AsyncClient(base_url=self.url, timeout=60, transport=transport) as client:
            while not self.stopped:
                if number % 4 == 0:
                    await self._ask(client, "POST", "/v1/vision/hands?cache=false", thumb())
                else:
                    await self._ask(client, "POST", "/v1/media?inline=never", png() + bytes(100_000 * number))
                    await self._ask(client, "GET", "/v1/media?limit=5")

    async def _ask(self, client: httpx.AsyncClient, method: str, path: str, content: bytes | None = None) -> None:
        headers = {} if content is None else {"Content-Type": "image/png"}
        try:
            answer = await client.request(method, path, content=content, headers=headers)
        except httpx.HTTPError as error:
            self.failures.append(f"{method} {path}: {error!r}")
            return
        self.answers[f"{method} {path} {answer.status_code}"] += 1
        if not answer.is_success:
            self.failures.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")


class Pair:
    """Two services, each with a port and a folder of its own that outlast a restart."""

    def __init__(self, folder: Path) -> None:
        self.ports = [free_port(), free_port()]
        self._folders = [folder / "one", folder / "two"]
        self._running: list[ExitStack] = []

    def __enter__(self) -> Self:
        for index, folder in enumerate(self._folders):
            folder.mkdir()
            self._running.append(ExitStack())
            self._start(index)
        return self

    def __exit__(self, *_error: object) -> None:
        for running in self._running:
            running.close()

    def restart(self, index: int) -> None:
        """End one as an orchestrator does (SIGTERM; its exit code must be 0), and start it again."""
        self._running[index].close()
        self._start(index)

    def _start(self, index: int) -> None:
        settings = {
            "SERVER__PORT": str(self.ports[index]),
            "SERVER__LAME_DUCK_SECONDS": str(LAME_DUCK_SECONDS),
            "SERVER__DRAIN_SECONDS": "30",
            "SERVER__HOSTS": "ballast,127.0.0.1",
            "SERVER__TRUSTED_PROXIES": "127.0.0.1",
            "VISION__WORKERS": "1",
        }
        self._running[index].enter_context(run_server(self._folders[index], settings))


@pytest.mark.stress
@pytest.mark.model("hand_landmarker.task")
@pytest.mark.photo
@needs_nginx
async def test_a_rolling_restart_behind_nginx_fails_no_request(tmp_path: Path) -> None:
    restarts = 0
    with Pair(tmp_path) as pair, run_nginx(tmp_path / "nginx", pair.ports) as url:
        load = Load(url)
        working = asyncio.create_task(load.run())
        for _ in range(ROUNDS):
            for index in range(2):
                await asyncio.sleep(2)
                await asyncio.to_thread(pair.restart, index)
                restarts += 1
        await asyncio.sleep(2)
        load.stopped = True
        await working

    assert load.failures == []
    assert load.answers.total() > 200
    assert restarts == 2 * ROUNDS
