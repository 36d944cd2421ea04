"""One connection: its requests one at a time, and the times that each has.

One request at a time is parsed, and what follows it costs its sender: it stays in the kernel (`app.server.inlet`).
A body is pulled: `receive` of the application reads it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

from app.domain.units import KIB, MIB
from app.errors import BadRequest, Overloaded
from app.server.accounts import Account
from app.server.head import MAX_HEAD_BYTES, BadHead, Head, find_end, parse_head
from app.server.inlet import SLICE_BYTES, Inlet
from app.server.refusal import Refusal

if TYPE_CHECKING:
    from app.server.front import Front

WRITE_BUFFER_BYTES = 64 * KIB
"""How much of an answer may wait in the transport; the kernel's buffer comes on top."""

_LAST_HEAD_SECONDS = 1.0
"""How long a connection that was made just before the port was closed may take to send its request."""

_LINGER_SECONDS = 0.5
_LINGER_BYTES = 8 * MIB
"""For how long, and for how much, what still comes after a refusal is discarded."""


class Exchange(Protocol):
    """What is going on on a connection: a request and its answer, or a WebSocket."""

    def lost(self) -> None:
        """The client has gone."""

    @property
    def is_answering(self) -> bool:
        """Whether an answer has begun that may be finished."""

    def shutdown(self) -> None:
        """The service ends: no further request is taken."""

    def cancel(self) -> None:
        """End now."""


class Connection(asyncio.BufferedProtocol):
    """A client's connection. `front` is what all of a listener's have in common."""

    __slots__ = (
        "_awaits_turn", "_discarded", "_head_bytes", "_searched", "_timer", "_turn_at", "_writable", "account",
        "client", "customer", "exchange", "front", "inlet", "is_admitted", "is_lost", "is_overflow", "received_bytes",
        "sent_bytes", "transport",
    )  # fmt: skip

    transport: asyncio.Transport
    account: Account  # once it is admitted

    def __init__(self, front: Front) -> None:
        self.front = front
        self.client: tuple[str, int] = ("", 0)
        self.customer = ""  # who shares turns with whom
        self.is_admitted = False
        self.exchange: Exchange | None = None
        self.is_lost = False
        self.is_overflow = False
        self.received_bytes = self.sent_bytes = 0
        self.inlet = Inlet(self)
        self._searched = 0  # of the head that is coming
        self._head_bytes = 0  # charged for a large head
        self._writable: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._turn_at = 0.0
        self._awaits_turn = False  # its head is read then
        self._discarded: int | None = None  # None: what comes is not discarded

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        peer = transport.get_extra_info("peername")
        self.client = (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) else ("", 0)
        self.transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        if self.front.admit(self):
            self._await_head(self.front.bounds.header_seconds)
        else:
            self.transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        del sizehint
        return self.inlet.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        self.received_bytes += nbytes
        inlet = self.inlet
        if inlet.fills(nbytes):
            return
        if self._discarded is not None:
            self._discarded += nbytes
            if self._discarded > _LINGER_BYTES:
                self.transport.abort()
            return
        inlet.keep(nbytes)
        if self.exchange is None and not self._awaits_turn:
            self._begin_head()
            self._read_head_in_turn()
        else:
            inlet.limit()
            inlet.wake()

    def eof_received(self) -> None:
        self._go()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._go()
        self._stop_timer()
        self.front.forget(self)

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self.front.loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None:
            self._writable.set_result(None)
            self._writable = None

    # What an exchange calls.

    @property
    def is_closing(self) -> bool:
        return self.is_lost or self.transport.is_closing()

    async def take_turn(self) -> None:
        """Wait for this connection's next turn, if the loop is late: before what costs more than a slice of bytes."""
        await self.front.pace.take_turn(self.customer, self._turn_at)
        self._turn_at = self.front.loop.time()

    def write(self, data: bytes) -> None:
        if not self.is_closing:
            self.sent_bytes += len(data)
            self.transport.write(data)

    def write_both(self, head: bytes, body: bytes) -> None:
        """Write two pieces at once: neither is copied, and the kernel is called once."""
        if not self.is_closing:
            self.sent_bytes += len(head) + len(body)
            self.transport.writelines((head, body))

    async def drain(self) -> None:
        """Wait until little of what was written waits in the transport; cut a client that takes it too slowly."""
        while self._writable is not None and not self.is_lost:
            bounds, before = self.front.bounds, self.transport.get_write_buffer_size()
            done, _ = await asyncio.wait((self._writable,), timeout=bounds.pace_seconds)
            sent = before - self.transport.get_write_buffer_size()
            if not done and sent < bounds.min_rate * bounds.pace_seconds:
                self.cut()

    def finish(self, keeps_alive: bool) -> None:
        """The exchange is over: close, or go on with the next request."""
        self.exchange = None
        self._give_head()
        if self._discarded is not None:
            return  # it lingers
        if self.is_closing or not keeps_alive:
            self.close()
        elif self.inlet.unread:
            self._await_head(self.front.bounds.header_seconds)
            self._read_head_in_turn()
        else:
            self.front.idle[self] = self.front.loop.time()
            self._await_head(self.front.bounds.keep_alive_seconds)
            self.inlet.resume()

    def shutdown(self) -> None:
        """End as soon as what is going on is answered. A request that may be on its way has a moment to come."""
        if self.exchange is not None:
            self.exchange.shutdown()
        elif self in self.front.idle:
            self.close()
        elif self._discarded is None:
            self._await_head(_LAST_HEAD_SECONDS)

    def refuse(self, refusal: Refusal) -> None:
        """Answer what cannot be handed to the application, and close."""
        self.write(refusal.raw())
        self.linger()

    def linger(self) -> None:
        """Discard what still comes for a moment, so that the client reads what it was told, and close."""
        self._stop_timer()
        self._discarded = 0
        self.inlet.drop()
        self.inlet.resume()
        self._timer = self.front.loop.call_later(_LINGER_SECONDS, self.close)

    def cut(self) -> None:
        """Close at once."""
        self.transport.abort()
        self._go()

    def close(self) -> None:
        """Close when what was written is sent."""
        if not self.transport.is_closing():
            self.transport.close()

    # Its own.

    def _read_head_in_turn(self) -> None:
        """Read the head when this connection has its turn."""
        self._awaits_turn = True
        self.front.pace.turn(self.customer, self._turn_at, self._read_head)

    def _read_head(self) -> None:
        self._awaits_turn = False
        if self.exchange is not None or self._discarded is not None or self.is_closing:
            return
        self.inlet.resume()
        unread = self.inlet.unread
        try:
            end = find_end(unread, self._searched)
            self._searched = 0 if end else len(unread)
            if end:
                self._begin(parse_head(self.inlet.take(end)))
            elif len(unread) > SLICE_BYTES and not self._head_bytes:
                self._charge_head()
        except BadHead as error:
            self.refuse(Refusal(BadRequest(error.detail), error.status))

    def _begin_head(self) -> None:
        """The first bytes of a request on an idle connection: from now on its head has its own time."""
        if self.front.idle.pop(self, None) is not None:
            self._await_head(self.front.bounds.header_seconds)

    def _begin(self, head: Head) -> None:
        self._stop_timer()
        self._turn_at = self.front.loop.time()
        self.inlet.limit()
        self.exchange = self.front.begin(self, head)

    def _charge_head(self) -> None:
        """Charge a head that is larger than what each connection is charged for."""
        if self.account.take(MAX_HEAD_BYTES):
            self._head_bytes = MAX_HEAD_BYTES
        else:
            self.refuse(Refusal(Overloaded("Memory is tight; send smaller heads.", retry_after_seconds=2)))

    def _give_head(self) -> None:
        if self._head_bytes:
            self.account.give(self._head_bytes)
            self._head_bytes = 0

    def _await_head(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.front.loop.call_later(seconds, self.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go(self) -> None:
        """The client has gone: tell whoever waits."""
        if self.is_lost:
            return
        self.is_lost = True
        self.inlet.drop()
        self.inlet.wake()
        self.resume_writing()
        if self.exchange is not None:
            self.exchange.lost()
