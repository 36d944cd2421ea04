from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from websockets.asyncio.server import ServerConnection, serve

from benchmarks.frame_stream import FrameStream

FRAMES = [b"one", b"two"]


@asynccontextmanager
async def streaming(handle: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[str]:
    async with serve(handle, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


async def until(seen: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not seen():  # noqa: ASYNC110 - these are counts
            await asyncio.sleep(0.01)


async def test_frames_are_sent_in_turn_and_their_answers_counted_from_the_first_on() -> None:
    received: list[bytes] = []

    async def answer(connection: ServerConnection) -> None:
        await connection.send(json.dumps({"type": "ready"}))
        async for frame in connection:
            received.append(bytes(frame) if isinstance(frame, bytes) else b"")
            kind = {"type": "error", "code": "overloaded"} if len(received) == 3 else {"type": "result"}
            await connection.send(json.dumps({**kind, "seq": len(received)}))

    async with streaming(answer) as address, FrameStream(address, FRAMES).sending() as tally:
        assert received
        assert (tally.sent, tally.lags) == (0, [])
        await until(lambda: len(tally.lags) >= 3)

    assert received[:4] == [b"one", b"two", b"one", b"two"]
    assert tally.faults == {"overloaded": 1}
    assert all(lag > 0 for lag in tally.lags)


async def test_a_stream_that_is_closed_is_opened_again_and_the_closing_counted() -> None:
    connections = 0

    async def answer_once(connection: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await connection.recv()
        await connection.send(json.dumps({"type": "result", "seq": 1}))
        await connection.close(1013, "later")

    async with streaming(answer_once) as address, FrameStream(address, FRAMES).sending() as tally:
        await until(lambda: connections >= 2 and tally.lags)

    assert any("1013" in fault for fault in tally.faults)
