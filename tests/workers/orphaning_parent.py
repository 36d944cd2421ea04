"""A parent for `test_process`: starts one child, prints its process id and the zygote's, and waits to be killed."""

from __future__ import annotations

import asyncio
import sys

from app.workers.channel import Message
from app.workers.launch import PlainLauncher
from app.workers.pool import WorkerPool
from app.workers.surroundings import Surroundings
from app.workers.zygote import Zygote
from tests.workers.accounts import Ledger
from tests.workers.pools import probe_spec
from tests.workers.zygotes import CALM, Watch


async def main(start_method: str, do: str) -> None:
    watch = Watch()
    launcher = Zygote([CALM], watch, 60.0) if start_method == "fork" else PlainLauncher()
    pool = WorkerPool(probe_spec(), Ledger(), Surroundings.around(launcher))
    reply = await pool.call(Message({"do": "echo"}, b""), deadline_seconds=20)
    print(reply.pid, *watch.pids, flush=True)  # noqa: T201 - read by the test
    await pool.call(Message({"do": do, "seconds": 60}, b""), deadline_seconds=60)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
