"""A parent for `test_process`: starts one child, prints its process id, and waits to be killed."""

from __future__ import annotations

import asyncio
import sys

from app.workers.channel import Message
from app.workers.pool import WorkerPool
from tests.workers.pools import Ledger, probe_spec


async def main(do: str) -> None:
    pool = WorkerPool(probe_spec(), Ledger())
    reply = await pool.call(Message({"do": "echo"}, b""), deadline_seconds=20)
    print(reply.pid, flush=True)  # noqa: T201 - read by the test
    await pool.call(Message({"do": do, "seconds": 60}, b""), deadline_seconds=60)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
