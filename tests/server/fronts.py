"""A front of our own before a toy application, on a real listener."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from app.domain.priority import Priority
from app.domain.units import KIB, MIB
from app.memory.budget import MemoryBudget
from app.server.accounts import OWNER, Accounts
from app.server.forwarded import Proxies
from app.server.front import Bounds, Front
from app.server.slots import Slots
from app.server.traffic import Traffic
from app.server.uvicorn_parts import ServerState

MESSAGE_BYTES = 200 * KIB


@dataclass(slots=True)
class Stand:
    """A front that listens; `accounts` are those of its connections, `budget` the ledger behind them."""

    budget: MemoryBudget
    accounts: Accounts
    front: Front
    state: ServerState
    port: int
    clients: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a client, which is closed with the stand at the latest."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.clients.append(writer)
        return reader, writer

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds, and look for clients that have gone meanwhile, as the listener does."""
        async with asyncio.timeout(10):
            while not condition():
                self.front.find_gone()
                await asyncio.sleep(0.01)

    async def until_left(self) -> None:
        """Wait until no connection is left, and nothing of one in the accounts."""
        await self.until(lambda: not self.state.connections and not self.accounts.used_bytes)


@asynccontextmanager
async def open_front(
    app: ASGIApp,
    *,
    budget_bytes: int = 100 * MIB,
    cap_bytes: int = 20 * MIB,
    header_seconds: float = 10.0,
    trusted: tuple[str, ...] = (),
) -> AsyncIterator[Stand]:
    """Listen on a free port until the block ends."""
    budget = MemoryBudget(budget_bytes, working_set=lambda: 0)
    holder = budget.record({}, owner=OWNER)
    spare = budget.hold({"reserve": MIB}, owner=OWNER)
    proxies = Proxies(trusted)
    accounts = Accounts(holder, cap_bytes, proxies.trusts)
    slots = Slots(accounts, Accounts(spare, MIB, lambda _address: True), accounts.connections_max)
    front = Front(app, slots, Bounds(header_seconds, 1024, MESSAGE_BYTES), proxies, {}, Traffic())
    state = ServerState()
    listener = await asyncio.get_running_loop().create_server(lambda: front.connection(state), "127.0.0.1", 0)
    stand = Stand(budget, accounts, front, state, listener.sockets[0].getsockname()[1])
    try:
        yield stand
    finally:
        listener.close()
        for client in stand.clients:
            client.transport.abort()
        await stand.until_left()
        holder.release()
        spare.release()


def take_all(budget: MemoryBudget) -> object:
    """Take every byte that is free; the result is released by its `release`."""
    taken = budget.try_reserve({"x": budget.free_bytes}, owner="other", priority=Priority.LIVE)
    assert taken is not None
    return taken


async def read_body(receive: Receive) -> list[bytes]:
    """Return the pieces of a body as they came."""
    pieces = []
    more = True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        pieces.append(bytes(message["body"]))
        more = message["more_body"]
    return pieces


async def answer(send: Send, body: bytes, status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the path and the length of the body."""
    size_bytes = sum(map(len, await read_body(receive)))
    await answer(send, f"{scope['path']} {size_bytes} {scope['client'][0]}".encode())


async def read_answers(reader: asyncio.StreamReader, count: int) -> list[tuple[int, bytes]]:
    """Read so many answers that have a Content-Length; each is its status and its body."""
    answers = []
    async with asyncio.timeout(10):
        for _ in range(count):
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
            answers.append((int(head.split()[1]), await reader.readexactly(int(fields[b"content-length"]))))
    return answers
