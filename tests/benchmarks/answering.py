"""A small HTTP server whose answers a test decides."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

Answer = Callable[[str, bytes], tuple[int, bytes] | None]
"""From path and body to status and body; None closes the connection instead."""


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[int]:
    """Lend the port of a server that answers so; its clients are to be gone at the end of the block."""
    serving = set[asyncio.Task[None] | None]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                found = answer(head.split(" ")[1], await reader.readexactly(int(length[1]) if length else 0))
                if found is None:
                    break
                status, body = found
                writer.write(f"HTTP/1.1 {status} Text\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*(task for task in serving if task is not None))
