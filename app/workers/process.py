"""One child process, as the API sees it: start, call, kill, and what became of its calls."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from typing import Any

from app.domain.priority import Priority
from app.workers.call import Call
from app.workers.channel import Message, pack_head
from app.workers.descriptors import DescriptorSender
from app.workers.ending import Ending, WorkerGone, describe_exit, ending_by_itself
from app.workers.launcher import Launcher, StartedChild
from app.workers.protocol import MessageProtocol
from app.workers.reply import MalformedReply, Outcome, read_completion, read_refusal
from app.workers.sent import OnEnd, Sent
from app.workers.spec import WorkerSpec

_STOP_SECONDS = 2.0


class WorkerProcess:
    """A child of `spec`. One that is `leaving` is given no more calls, and goes when those it has are answered.

    `idle_since` is the time of `clock` at which it had nothing to do any more, None while it works; `ending` is None
    while it lives.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        launcher: Launcher,
        on_exit: Callable[[WorkerProcess], None],
        clock: Callable[[], float],
    ) -> None:
        """`on_exit` is called once, when a process that was started is reaped; it calls `abandon_calls`."""
        self.spec = spec
        self.pid = 0
        self.sandbox: dict[str, Any] = {}
        self.resident_bytes = 0
        self.leaving = False
        self.stopping = False
        self.idle_since: float | None = None
        self.ending: Ending | None = None
        self._launcher = launcher
        self._on_exit = on_exit
        self._clock = clock
        self._cause: Ending | None = None
        self._calls: dict[int, Sent] = {}
        self._numbers = itertools.count(1)
        self._protocol = MessageProtocol(self._take_message, self._lose_channel)
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._exited: asyncio.Future[None] = loop.create_future()
        self._reaper: asyncio.Task[None] | None = None
        self._descriptors: DescriptorSender | None = None
        self._channel: socket.socket
        self._child: StartedChild

    async def start(self) -> None:
        """Start the process. Where that fails, or is cancelled, nothing is left.

        Raises:
            WorkerGone: it cannot be started.
        """
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._descriptors = DescriptorSender() if self.spec.takes_descriptors else None
        with theirs:
            try:
                self._child = await self._launcher.start(theirs)
            except OSError as error:
                self._close()
                raise WorkerGone(f"the {self.spec.role} worker could not be started: {error.strerror}") from error
            except BaseException:
                self._close()
                raise
        self.pid = self._child.pid

    async def open(self) -> None:
        """Wait until the child's handler is built. If that fails, or is cancelled, the child is killed.

        Raises:
            WorkerGone: it ended, or was not ready within `spec.start_seconds`; it is reaped.
            BallastError: what building its handler raised.
        """
        try:
            async with asyncio.timeout(self.spec.start_seconds):
                if self._descriptors is not None:
                    self._descriptors.hand_over(self._channel, pack_head(self.spec.opening(), 0))
                loop = asyncio.get_running_loop()
                await loop.create_unix_connection(lambda: self._protocol, sock=self._channel)
                if self._descriptors is None:
                    self._protocol.send(self.spec.opening())
                await asyncio.shield(self._ready)
        except TimeoutError as error:
            self.kill(Ending.CRASH)
            await asyncio.shield(self._exited)
            raise WorkerGone(f"the {self.spec.role} worker was not ready in time") from error
        except BaseException:
            self.kill(Ending.RELEASED)
            raise

    @property
    def calls_in_flight(self) -> int:
        return len(self._calls)

    @property
    def call_in_work(self) -> Call | None:
        """The call that the child works on; the others were sent ahead."""
        return next((sent.call for sent in self._calls.values()), None)

    @property
    def priority(self) -> Priority | None:
        """The highest class of the calls it has; None: it has none."""
        return min((sent.call.priority for sent in self._calls.values()), default=None)

    @property
    def stays(self) -> bool:
        """Whether it may be given calls."""
        return not (self.leaving or self.stopping or self._child.is_doomed)

    def give(self, call: Call, on_end: OnEnd) -> None:
        """Send a call; `on_end` is called once with its outcome, when the child has the call no more.

        The child takes calls in their order: the deadline runs from when it works on this one. At the deadline the
        child is killed, as nothing else stops a native call; the call ends when it is reaped.
        """
        number = next(self._numbers)
        self._calls[number] = Sent(call, on_end)
        self.idle_since = None
        call.give(self._clock())
        self._begin()
        head = {**call.message.head, "call": number, "deadlineSeconds": call.deadline_seconds}
        if self._descriptors is not None and call.message.descriptors:
            self._descriptors.send(number, call.message.descriptors)
            head["descriptors"] = len(call.message.descriptors)
        self._protocol.send(head, call.message.payload)

    def recall(self, wanted: Call | None = None) -> None:
        """Ask for a call back that was sent ahead, the last one or `wanted`; unless begun, it ends as recalled."""
        for number, sent in reversed(self._calls.items()):
            if sent.timer is None and not sent.is_recalled and wanted in (None, sent.call):
                sent.is_recalled = True
                self._protocol.send({"recall": number})
                return

    def kill(self, cause: Ending) -> None:
        """End the child at once, for this reason; `on_exit` follows."""
        self.stopping = True
        self._cause = self._cause or cause
        self._child.kill()
        self._begin_reaping()

    async def stop(self) -> None:
        """Let the child go: it exits when its channel closes. One that does not is killed. It is reaped on return."""
        self.stopping = True
        self._cause = self._cause or Ending.RELEASED
        self._protocol.close()
        self._begin_reaping()
        await asyncio.shield(self._exited)

    def abandon_calls(self) -> None:
        """End the calls it still had; `ending` says why."""
        assert self.ending is not None
        for number, sent in list(self._calls.items()):
            if self.ending is Ending.DEADLINE and sent.timer is not None:
                self._end(number, TimeoutError())
            else:
                self._end(number, WorkerGone(f"the {self.spec.role} worker is gone", self.ending))

    def _begin(self) -> None:
        """Start the deadline of the oldest call: the child works on it."""
        sent = next(iter(self._calls.values()), None)
        if sent is not None and sent.timer is None:
            loop = asyncio.get_running_loop()
            sent.timer = loop.call_later(sent.call.deadline_seconds, self.kill, Ending.DEADLINE)
            sent.call.begin(self._clock())

    def _take_message(self, message: Message) -> None:
        try:
            if not self._ready.done():
                self._become_ready(message)
                return
            completion = read_completion(message)
        except MalformedReply:
            self._protocol.abort()
            self.kill(Ending.MALFORMED)
            return
        self.resident_bytes = completion.resident_bytes
        if completion.fatal:
            self.kill(Ending.MEMORY)
        self._end(completion.call, completion.outcome)

    def _become_ready(self, message: Message) -> None:
        if (refusal := read_refusal(message)) is not None:
            self._ready.set_exception(refusal)
            return
        self.sandbox = {**message.head["sandbox"], "startMethod": self._child.start_method}
        self.resident_bytes = message.head["residentBytes"]
        self.idle_since = self._clock()
        self._ready.set_result(None)

    def _end(self, number: int, outcome: Outcome) -> None:
        sent = self._calls.pop(number, None)
        if sent is None:
            return
        if sent.timer is not None:
            sent.timer.cancel()
        if not self._calls:
            self.idle_since = self._clock()
        elif not self.stopping:
            self._begin()
        sent.call.give_up()
        sent.on_end(self, sent.call, outcome)

    def _lose_channel(self) -> None:
        self.stopping = True
        self._begin_reaping()

    def _begin_reaping(self) -> None:
        if self._reaper is None:
            self._reaper = asyncio.get_running_loop().create_task(self._reap(), name=f"reap-{self.pid}")

    async def _reap(self) -> None:
        """Wait for the exit, and kill the child where that takes too long."""
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                code = await self._child.wait()
        except TimeoutError:
            self.kill(Ending.MALFORMED)
            code = await self._child.wait()
        self._protocol.close()
        self._close()
        self.ending = self._cause or ending_by_itself(code)
        if not self._ready.done():
            self._ready.set_exception(WorkerGone(f"the {self.spec.role} worker ended with {describe_exit(code)}"))
            self._ready.exception()  # nobody may be waiting for it any more
        self._on_exit(self)
        self._exited.set_result(None)

    def _close(self) -> None:
        self._channel.close()
        if self._descriptors is not None:
            self._descriptors.close()
