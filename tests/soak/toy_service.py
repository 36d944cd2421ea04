"""A service that answers as ours does as far as a soak asks, and counts what it was asked for."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class ToyService:
    """`tasks` are names and states. What was asked for is counted by its path; `queries` has what came after it."""

    def __init__(self, tasks: Mapping[str, str], *, images: bool) -> None:
        self._tasks = tasks
        self._images = images
        self.asked: Counter[str] = Counter()
        self.queries: list[str] = []

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """Lend the port that it listens on."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if length := _LENGTH.search(head):
                    await reader.readexactly(int(length[1]))
                path, _, query = head.split(b" ", 2)[1].decode().partition("?")
                self.asked[path] += 1
                self.queries += [query] if query else []
                status, body = self._answer(path)
                writer.write(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, path: str) -> tuple[int, bytes]:
        if path == "/v1/vision":
            return 200, json.dumps({"tasks": [{"name": n, "state": s} for n, s in self._tasks.items()]}).encode()
        if path.removeprefix("/v1/vision/") in self._tasks:
            return 200, json.dumps({"mode": "FULL_QUALITY", "detections": []}).encode()
        if self._images and path == "/v1/images/operations":
            return 200, b"[]"
        if self._images and path == "/v1/images":
            return 200, b"a picture"
        return (200, b"{}") if path == "/health/live" else (404, b'{"code": "not_found", "detail": "Not here."}')
