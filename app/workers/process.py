"""One child process, as the API sees it: start, call, kill, and what became of its calls."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import app
from app.workers.answer import Answer, MalformedAnswer, answer_of
from app.workers.channel import Frame, Head
from app.workers.protocol import FrameProtocol

_STOP_SECONDS = 2.0

CHILD_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "1310720",
    "MALLOC_TRIM_THRESHOLD_": "2621440",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""glibc's settings for children, chosen by measurement (docs/decisions/0006); BLAS gets no threads: nobody uses it."""


class WorkerGone(Exception):
    """The child ended before it answered."""


class CallRecalled(Exception):
    """The call was taken back before it was begun."""


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """How to start one kind of child.

    `entry` is `module:function`; the function gets `options` and returns a handler (`workers.child.Handler`). `slots`
    is the number of calls that one child works on at a time. A child whose slots are all taken gets `ahead` further
    calls, so that it need not wait for us when a slot is free: on two cores 8 % more pictures a second.
    """

    role: str
    entry: str
    options: dict[str, Any] = field(default_factory=dict)
    slots: int = 1
    ahead: int = 0
    data_limit_bytes: int | None = None
    start_seconds: float = 30.0
    log_level: str = "info"


@dataclass(slots=True)
class _Sent:
    """A call that a child has; `begin` is called, and `timer` runs, from when a slot is free for it.

    `movable` says that it can be taken back until then.
    """

    answer: asyncio.Future[Answer]
    deadline_seconds: float
    begin: Callable[[], None]
    movable: bool
    timer: asyncio.TimerHandle | None = None


class WorkerProcess:
    """A started child. Make it on the main thread: a parent-death signal follows the thread.

    `width` is how many calls it may be given at a time, of the `slots` that it has."""

    def __init__(self, spec: WorkerSpec, on_exit: Callable[[WorkerProcess], None]) -> None:
        """Start the process; `on_exit` is called once, when it is gone.

        Raises:
            WorkerGone: it cannot be started.
        """
        assert threading.current_thread() is threading.main_thread(), "children are started from the main thread"
        self.spec = spec
        self.sandbox: dict[str, Any] = {}
        self.resident_bytes = 0
        self.width = spec.slots
        self.stopping = False
        self.released = False
        self._on_exit = on_exit
        self._calls: dict[int, _Sent] = {}
        self._numbers = itertools.count(1)
        self._protocol = FrameProtocol(self._take_frame, self._lose_channel)
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._exited: asyncio.Future[None] = loop.create_future()
        self._reaper: asyncio.Task[None] | None = None
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            try:
                self._process = _spawn(theirs)
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
        return 0 if self.stopping else self.width - len(self._calls)

    @property
    def free_ahead(self) -> int:
        """How many calls it may be given for when a slot is free; none where a free slot is not granted memory."""
        return 0 if self.stopping or self.width < self.spec.slots else self.free_slots + self.spec.ahead

    def call(
        self,
        head: Head,
        payload: bytes,
        deadline_seconds: float,
        begin: Callable[[], None] = lambda: None,
        *,
        movable: bool = False,
    ) -> asyncio.Future[Answer]:
        """Send a call; the future ends with the answer, `WorkerGone`, or `TimeoutError` at the deadline.

        The child takes calls in their order: `begin` is called, and the deadline runs, from when this one has a slot.
        At the deadline the child is killed: nothing else stops a native call. Cancelling the future does not stop
        the work: the slot is free when the child has answered.
        """
        number = next(self._numbers)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._calls[number] = _Sent(answer, deadline_seconds, begin, movable)
        self._begin()
        self._protocol.send({**head, "call": number}, payload)
        return answer

    def recall(self) -> None:
        """Ask for a call back that has no slot yet; where it was not begun meanwhile, it ends with `CallRecalled`."""
        for number, sent in reversed(self._calls.items()):
            if sent.timer is None and sent.movable:
                sent.movable = False
                self._protocol.send({"recall": number})
                return

    def _begin(self) -> None:
        """Let the deadlines run of the calls that have a slot now: the oldest ones."""
        for number, sent in itertools.islice(self._calls.items(), self.spec.slots):
            if sent.timer is None:
                loop = asyncio.get_running_loop()
                sent.timer = loop.call_later(sent.deadline_seconds, self._expire, number)
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
        await self.gone()

    async def gone(self) -> None:
        """Wait until the process has ended and its calls are told."""
        await asyncio.shield(self._exited)

    def _take_frame(self, frame: Frame) -> None:
        if "ready" in frame.head and not self._ready.done():
            self.sandbox = frame.head.get("sandbox", {})
            self._ready.set_result(None)
            return
        try:
            answer = answer_of(frame)
        except MalformedAnswer:
            self._protocol.abort()
            self.kill()
            return
        self.resident_bytes = answer.resident_bytes
        waiting = self._take(answer.call)
        if waiting is not None and not waiting.done():
            if answer.recalled:
                waiting.set_exception(CallRecalled())
            else:
                waiting.set_result(answer)
        self._begin()

    def _take(self, number: int) -> asyncio.Future[Answer] | None:
        sent = self._calls.pop(number, None)
        if sent is None:
            return None
        if sent.timer is not None:
            sent.timer.cancel()
        return sent.answer

    def _expire(self, number: int) -> None:
        if (answer := self._take(number)) is None:
            return
        if not answer.done():
            answer.set_exception(TimeoutError())
        self.kill()

    def _lose_channel(self) -> None:
        self.stopping = True
        self._begin_reaping()

    def _begin_reaping(self) -> None:
        if self._reaper is None:
            self._reaper = asyncio.get_running_loop().create_task(self._reap(), name=f"reap-{self.pid}")

    async def _reap(self) -> None:
        """Wait for the exit, for a while or after a kill, then tell those who wait for answers."""
        try:
            code = await asyncio.to_thread(self._process.wait, _STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            code = await asyncio.to_thread(self._process.wait)
        self._protocol.close()
        self._channel.close()
        gone = WorkerGone(f"the {self.spec.role} worker ended with {_exit_words(code)}")
        if not self._ready.done():
            self._ready.set_exception(gone)
            self._ready.exception()  # nobody may be waiting for it any more
        unanswered = [answer for number in list(self._calls) if (answer := self._take(number)) is not None]
        self._on_exit(self)
        for answer in unanswered:
            if not answer.done():
                answer.set_exception(gone)
        self._exited.set_result(None)


def _spawn(control: socket.socket) -> subprocess.Popen[bytes]:
    """Start `python -m app worker`; the child inherits `control` and standard error, nothing else.

    Its environment is made anew, so that no key or address of ours is in it. No `preexec_fn`: it deadlocks with
    threads; the child puts itself into its sandbox.
    """
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    environment |= CHILD_ENVIRONMENT | {"PYTHONPATH": str(Path(app.__file__).resolve().parents[1])}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "app", "worker", str(control.fileno()), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(control.fileno(),),
        env=environment,
        process_group=0,  # Ctrl-C is not for it; in a session of its own its niceness would not count (record 0020)
    )


def _exit_words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
