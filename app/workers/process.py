"""One child process, as the API sees it: start, call, kill, and what became of its calls."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.workers.channel import Head, Message
from app.workers.launch import launch
from app.workers.protocol import MessageProtocol
from app.workers.reply import MalformedReply, Reply, read_completion
from app.workers.spec import WorkerSpec

_STOP_SECONDS = 2.0


class WorkerGone(Exception):
    """The child ended before it replied."""


@dataclass(slots=True)
class _Sent:
    """A call that a child has; `begin` is called, and `timer` runs, from when a slot is free for it.

    `movable` says that it can be recalled until then.
    """

    reply: asyncio.Future[Reply]
    deadline_seconds: float
    begin: Callable[[], None]
    movable: bool
    timer: asyncio.TimerHandle | None = None


class WorkerProcess:
    """A started child. Make it on the main thread: a parent-death signal follows the thread.

    `concurrency` is how many calls it may be given at a time, of the `slots` that it has; one that is `leaving` is
    given no more, and goes when those it has are answered.
    """

    def __init__(self, spec: WorkerSpec, on_exit: Callable[[WorkerProcess], None]) -> None:
        """Start the process; `on_exit` is called once, when it is gone.

        Raises:
            WorkerGone: it cannot be started.
        """
        assert threading.current_thread() is threading.main_thread(), "children are started from the main thread"
        self.spec = spec
        self.sandbox: dict[str, Any] = {}
        self.resident_bytes = 0
        self.concurrency = spec.slots
        self.leaving = False
        self.stopping = False
        self.released = False
        self._on_exit = on_exit
        self._calls: dict[int, _Sent] = {}
        self._numbers = itertools.count(1)
        self._protocol = MessageProtocol(self._take_message, self._lose_channel)
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._exited: asyncio.Future[None] = loop.create_future()
        self._reaper: asyncio.Task[None] | None = None
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            try:
                self._process = launch(theirs)
            except OSError as error:
                self._channel.close()
                raise WorkerGone(f"the {spec.role} worker could not be started: {error.strerror}") from error
        self.pid = self._process.pid

    async def open(self) -> None:
        """Wait until the child's handler is built. If that fails, or is cancelled, the child is killed.

        Raises:
            WorkerGone: it ended, or was not ready within `spec.start_seconds`.
        """
        try:
            async with asyncio.timeout(self.spec.start_seconds):
                loop = asyncio.get_running_loop()
                await loop.create_unix_connection(lambda: self._protocol, sock=self._channel)
                self._protocol.send(self._opening())
                await asyncio.shield(self._ready)
        except TimeoutError as error:
            self.kill()
            raise WorkerGone(f"the {self.spec.role} worker was not ready in time") from error
        except BaseException:
            self.kill()
            raise

    def _opening(self) -> Head:
        return {
            "entry": self.spec.entry,
            "options": self.spec.options,
            "slots": self.spec.slots,
            "dataLimitBytes": self.spec.data_limit_bytes,
            "logLevel": self.spec.log_level,
        }

    @property
    def calls_in_flight(self) -> int:
        return len(self._calls)

    @property
    def free_slots(self) -> int:
        """How many calls it may be given now; negative where it was given some ahead."""
        return 0 if self.leaving or self.stopping else self.concurrency - len(self._calls)

    @property
    def free_ahead(self) -> int:
        """How many calls it may be given for when a slot is free; none where a free slot is not granted memory."""
        if self.leaving or self.stopping or self.concurrency < self.spec.slots:
            return 0
        return self.free_slots + self.spec.ahead

    def call(
        self,
        message: Message,
        deadline_seconds: float,
        begin: Callable[[], None] = lambda: None,
        *,
        movable: bool = False,
    ) -> asyncio.Future[Reply]:
        """Send a call.

        The child takes calls in their order: `begin` is called, and the deadline runs, from when this one has a slot.
        At the deadline the child is killed: nothing else stops a native call. Cancelling the future does not stop
        the work: the slot is free when the child has replied.

        The future raises:
            BallastError: what the handler raised.
            CallRecalled: it was `movable`, and taken back before it was begun.
            WorkerGone: the child ended first.
            TimeoutError: the deadline passed.
        """
        number = next(self._numbers)
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._calls[number] = _Sent(reply, deadline_seconds, begin, movable)
        self._begin()
        self._protocol.send({**message.head, "call": number}, message.payload)
        return reply

    def recall(self) -> None:
        """Ask for a call back that has no slot yet; unless it was begun meanwhile, it ends with `CallRecalled`."""
        for number, sent in reversed(self._calls.items()):
            if sent.timer is None and sent.movable:
                sent.movable = False
                self._protocol.send({"recall": number})
                return

    def _begin(self) -> None:
        """Start the deadlines of the calls that have a slot now: the oldest ones."""
        for number, sent in itertools.islice(self._calls.items(), self.spec.slots):
            if sent.timer is None:
                sent.timer = asyncio.get_running_loop().call_later(sent.deadline_seconds, self._expire, number)
                sent.begin()

    def kill(self) -> None:
        """End the child at once; `on_exit` follows."""
        self.stopping = True
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        self._begin_reaping()

    async def stop(self) -> None:
        """Let the child go: it exits when its channel closes. One that does not is killed."""
        self.stopping = self.released = True
        self._protocol.close()
        self._begin_reaping()
        await asyncio.shield(self._exited)

    def _take_message(self, message: Message) -> None:
        if "ready" in message.head and not self._ready.done():
            self.sandbox = message.head.get("sandbox", {})
            self._ready.set_result(None)
            return
        try:
            completion = read_completion(message)
        except MalformedReply:
            self._protocol.abort()
            self.kill()
            return
        self.resident_bytes = completion.resident_bytes
        reply = self._take(completion.call)
        if reply is not None and not reply.done():
            if isinstance(completion.outcome, Reply):
                reply.set_result(completion.outcome)
            else:
                reply.set_exception(completion.outcome)
        self._begin()
        if completion.fatal:
            self.kill()

    def _take(self, number: int) -> asyncio.Future[Reply] | None:
        sent = self._calls.pop(number, None)
        if sent is None:
            return None
        if sent.timer is not None:
            sent.timer.cancel()
        return sent.reply

    def _expire(self, number: int) -> None:
        if (reply := self._take(number)) is None:
            return
        if not reply.done():
            reply.set_exception(TimeoutError())
        self.kill()

    def _lose_channel(self) -> None:
        self.stopping = True
        self._begin_reaping()

    def _begin_reaping(self) -> None:
        if self._reaper is None:
            self._reaper = asyncio.get_running_loop().create_task(self._reap(), name=f"reap-{self.pid}")

    async def _reap(self) -> None:
        """Wait for the exit, and kill the child where that takes too long; then end the calls it still had."""
        try:
            code = await asyncio.to_thread(self._process.wait, _STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            code = await asyncio.to_thread(self._process.wait)
        self._protocol.close()
        self._channel.close()
        gone = WorkerGone(f"the {self.spec.role} worker ended with {_describe_exit(code)}")
        if not self._ready.done():
            self._ready.set_exception(gone)
            self._ready.exception()  # nobody may be waiting for it any more
        unanswered = [reply for number in list(self._calls) if (reply := self._take(number)) is not None]
        self._on_exit(self)
        for reply in unanswered:
            if not reply.done():
                reply.set_exception(gone)
        self._exited.set_result(None)


def _describe_exit(code: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"exit code {code}"
