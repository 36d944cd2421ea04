"""The jobs child, as the service sees it: granted, started, spoken with, let go."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from functools import partial

from app.domain.priority import Priority
from app.domain.units import MIB
from app.errors import WorkerFailed
from app.memory.governor import EnrolledProcess, Governor
from app.memory.reservation import Reservation
from app.workers.call import Call
from app.workers.channel import Head, Message
from app.workers.ending import Ending, WorkerGone
from app.workers.process import WorkerProcess
from app.workers.protocol import MessageProtocol
from app.workers.reply import Outcome, Reply
from app.workers.spec import WorkerSpec
from app.workers.surroundings import Surroundings

logger = logging.getLogger("ballast.jobs")

ROLE = "jobs"

ENGINE_BYTES = 72 * MIB
"""What the child takes at most: interpreter, SQLAlchemy, psycopg and DBOS (RSS measured: 70 MiB; docs/decisions/0030).
Its entry becomes what is seen of it as soon as it is there."""

_SPARE_BYTES = 2 * MIB
"""What its entry has beyond what was seen: a sample is up to a second old."""

_LIFE_SECONDS = 366 * 86400.0
"""Its one call lets it use so much processor time: it works in threads from then on."""


class EngineChild:
    """One child, from its grant to its end."""

    def __init__(
        self,
        spec: WorkerSpec,
        surroundings: Surroundings,
        governor: Governor,
        on_message: Callable[[Head], None],
        on_end: Callable[[], None],
    ) -> None:
        """`on_message` is told what it says, `on_end` once that it is gone, whatever the reason."""
        self._spec = spec
        self._surroundings = surroundings
        self._governor = governor
        self._on_end = on_end
        self._on_message = on_message
        self._protocol = MessageProtocol(self._heard, lambda: None)
        self._reservation: Reservation | None = None
        self._process: WorkerProcess | None = None

    async def start(self) -> None:
        """Start it, and connect with it. Where that fails, or is cancelled, nothing is left.

        Raises:
            Overloaded, MemoryExceedsLimit: there is no memory for it now, or ever.
            WorkerFailed: it did not start.
            StorageUnavailable: its database cannot be used.
        """
        reserve = self._governor.budget.reserve({ROLE: ENGINE_BYTES}, owner=ROLE, priority=Priority.BATCH)
        async with reserve as granted:
            self._reservation = granted.split([ROLE])
        process = WorkerProcess(self._spec, self._surroundings.launcher, self._reaped, self._surroundings.clock)
        try:
            await process.start()
        except BaseException as error:
            self._release()
            if isinstance(error, WorkerGone):
                raise WorkerFailed("The jobs child could not be started.") from error
            raise
        self._process = process
        kill = partial(process.kill, Ending.KILLED)
        self._governor.enroll(EnrolledProcess(process.pid, ROLE, self._reservation, kill, lambda: Priority.BATCH))
        try:
            await process.open()
            await self._connect(process)
        except (WorkerGone, TimeoutError) as error:
            await self.stop()
            raise WorkerFailed("The jobs child could not be started.") from error
        except BaseException:
            await asyncio.shield(self.stop())
            raise
        self.follow()
        self._governor.remeasure()

    @property
    def held_bytes(self) -> int:
        """What stands in the ledger for it."""
        return 0 if self._reservation is None else self._reservation.reserved_bytes

    def follow(self) -> None:
        """Make its entry what it holds now: less at once, more if that is free (else the working set has it)."""
        if self._reservation is None or self._process is None:
            return
        resident_bytes = self._governor.resident_now(self._process.pid)
        if not resident_bytes:  # it is gone
            return
        self._reservation.observe(resident_bytes)
        surplus_bytes = self._reservation.reserved_bytes - resident_bytes - _SPARE_BYTES
        if surplus_bytes > 0:
            self._reservation.shrink(surplus_bytes)
        elif surplus_bytes < -_SPARE_BYTES:
            self._reservation.grow({ROLE: -surplus_bytes})

    def send(self, head: Head) -> None:
        """Tell it something; nothing happens when it is gone."""
        self._protocol.send(head)

    async def stop(self) -> None:
        """Let it go, whatever it does: it loses nothing. It is reaped on return."""
        if self._process is not None and self._process.ending is None:
            await self._process.stop()

    async def _connect(self, process: WorkerProcess) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        loop = asyncio.get_running_loop()
        with theirs:
            await loop.create_unix_connection(lambda: self._protocol, sock=ours)
            answered: asyncio.Future[Reply] = loop.create_future()
            message = Message({"op": "connect"}, b"", (theirs.fileno(),))
            call = Call(message, _LIFE_SECONDS, False, Priority.BATCH, "", answered, self._surroundings.clock())
            process.give(call, _settle)
            async with asyncio.timeout(self._spec.start_seconds):
                await answered

    def _heard(self, message: Message) -> None:
        self.follow()
        self._on_message(message.head)

    def _reaped(self, process: WorkerProcess) -> None:
        if process.ending is Ending.CRASH:
            self._surroundings.count_crash(None)
        process.abandon_calls()
        self._protocol.close()
        self._governor.dismiss(process.pid)
        self._release()
        self._on_end()

    def _release(self) -> None:
        if self._reservation is not None:
            self._governor.remeasure()
            self._reservation.release()
            self._reservation = None


def _settle(_process: WorkerProcess, call: Call, outcome: Outcome) -> None:
    if call.result.done():
        return
    if isinstance(outcome, Reply):
        call.result.set_result(outcome)
    elif isinstance(outcome, TimeoutError):
        call.result.set_exception(WorkerFailed("The jobs child was not ready in time."))
    else:
        call.result.set_exception(outcome)
