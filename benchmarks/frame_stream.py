"""A webcam: frames at a steady rate over a WebSocket, for as long as it is wanted, and what is answered."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

FRAMES_PER_SECOND = 15.0

_RECONNECT_SECONDS = 1.0
_FIRST_ANSWER_SECONDS = 20.0


@dataclass(slots=True)
class FrameTally:
    """What came back of a stream: seconds from sending a frame to its answer, and everything that was no answer."""

    sent: int = 0
    lags: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)


class FrameStream:
    """One stream, which is opened again when the server closes it. `tally` counts from the first answer on."""

    def __init__(self, address: str, frames: Sequence[bytes]) -> None:
        self.tally = FrameTally()
        self._address = address
        self._frames = itertools.cycle(frames)
        self._answered = asyncio.Event()

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[FrameTally]:
        """Lend the tally once a frame was answered (after 20 s in any case), and send while the block runs."""
        running = asyncio.create_task(self._keep_open())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_FIRST_ANSWER_SECONDS):
                    await self._answered.wait()
            self.tally = FrameTally()
            yield self.tally
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def _keep_open(self) -> None:
        while True:
            try:
                async with connect(self._address, compression=None, max_size=None, close_timeout=2) as connection:
                    await self._run(connection)
            except (WebSocketException, OSError) as error:
                self.tally.faults[f"closed: {error}"] += 1
                await asyncio.sleep(_RECONNECT_SECONDS)

    async def _run(self, connection: ClientConnection) -> None:
        sent_at: dict[int, float] = {}
        sender = asyncio.create_task(self._send(connection, sent_at))
        try:
            async for message in connection:
                self._count(json.loads(message), sent_at)
            raise ConnectionError(f"{connection.close_code} {connection.close_reason}")
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    async def _send(self, connection: ClientConnection, sent_at: dict[int, float]) -> None:
        began = time.monotonic()
        for seq in itertools.count(1):
            sent_at[seq] = time.monotonic()
            await connection.send(next(self._frames))
            self.tally.sent += 1
            await asyncio.sleep(began + seq / FRAMES_PER_SECOND - time.monotonic())

    def _count(self, message: dict[str, Any], sent_at: dict[int, float]) -> None:
        kind = message["type"]
        if kind == "result":
            self.tally.lags.append(time.monotonic() - sent_at[message["seq"]])
            self._answered.set()
        elif kind != "ready":
            self.tally.faults[str(message.get("code", kind))] += 1
