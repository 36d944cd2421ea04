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
from app.workers.channel import Frame, Head
from app.workers.protocol import FrameProtocol

_STOP_SECONDS = 2.0

CHILD_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_TRIM_THRESHOLD_": "131072",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""glibc's settings for children, chosen by measurement (docs/decisions/0006); BLAS gets no threads: nobody uses it."""


class WorkerGone(Exception):
    """The child ended before it answered."""


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """How to start one kind of child.

    `entry` is `module:function`; the function gets `options` and returns a handler (`workers.child.Handler`). `slots`
    is the number of calls that one child works on at a time.
    """

    role: str
    entry: str
    options: dict[str, Any] = field(default_factory=dict)
    slots: int = 1
    data_limit_bytes: int | None = None
    start_seconds: float = 30.0
    log_level: str = "info"


class WorkerProcess:
    """A started child. Create it with `start`, on the main thread: a parent-death signal follows the thread."""

    def __init__(
        self, spec: WorkerSpec, process: subprocess.Popen[bytes], on_exit: Callable[[WorkerProcess], None]
    ) -> None:
        self.spec = spec
        self.pid = process.pid
        self.sandbox: dict[str, Any] = {}
        self.resident_bytes = 0
        self.stopping = False
        self.released = False
        self._process = process
        self._on_exit = on_exit
        self._calls: dict[int, asyncio.Future[Frame]] = {}
        self._numbers = itertools.count(1)
        self._protocol = FrameProtocol(self._take_frame, self._lose_channel)
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._exited: asyncio.Future[int] = loop.create_future()
        self._reaper: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, spec: WorkerSpec, on_exit: Callable[[WorkerProcess], None]) -> WorkerProcess:
        """Start a child and wait until its handler is built. `on_exit` is called once, when the child is gone.

        Raises:
            WorkerGone: it ended, or was not ready within `spec.start_seconds`.
        """
        assert threading.current_thread() is threading.main_thread(), "children are started from the main thread"
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            try:
                worker = cls(spec, _spawn(theirs), on_exit)
            except OSError as error:
                ours.close()
                raise WorkerGone(f"the {spec.role} worker could not be started: {error.strerror}") from error
        await asyncio.get_running_loop().create_unix_connection(lambda: worker._protocol, sock=ours)
        await worker._open()
        return worker

    async def _open(self) -> None:
        self._protocol.send(
            {
                "entry": self.spec.entry,
                "options": self.spec.options,
                "slots": self.spec.slots,
                "dataLimitBytes": self.spec.data_limit_bytes,
                "logLevel": self.spec.log_level,
            }
        )
        try:
            async with asyncio.timeout(self.spec.start_seconds):
                await asyncio.shield(self._ready)
        except TimeoutError as error:
            self.kill()
            raise WorkerGone(f"the {self.spec.role} worker was not ready in time") from error
        except BaseException:
            self.kill()
            raise

    @property
    def calls_in_flight(self) -> int:
        return len(self._calls)

    @property
    def free_slots(self) -> int:
        return 0 if self.stopping else self.spec.slots - len(self._calls)

    def call(self, head: Head, payload: bytes, deadline_seconds: float) -> asyncio.Future[Frame]:
        """Send a call; the future ends with the answer, `WorkerGone`, or `TimeoutError` at the deadline.

        At the deadline the child is killed: nothing else stops a native call. Cancelling the future does not stop
        the work: the slot is free when the child has answered.
        """
        loop = asyncio.get_running_loop()
        number = next(self._numbers)
        answer: asyncio.Future[Frame] = loop.create_future()
        timer = loop.call_later(deadline_seconds, self._expire, number)
        answer.add_done_callback(lambda _: None if answer.cancelled() else timer.cancel())
        self._calls[number] = answer
        self._protocol.send({**head, "call": number}, payload)
        return answer

    def kill(self) -> None:
        """End the child at once; `on_exit` follows."""
        self.stopping = True
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)

    async def stop(self) -> None:
        """Let the child go: it exits when its channel closes. One that does not is killed."""
        self.stopping = self.released = True
        self._protocol.close()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await asyncio.shield(self._exited)
        except TimeoutError:
            self.kill()
            await asyncio.shield(self._exited)

    def _take_frame(self, frame: Frame) -> None:
        if "ready" in frame.head:
            self.sandbox = frame.head["sandbox"]
            if not self._ready.done():
                self._ready.set_result(None)
            return
        answer = self._calls.pop(frame.head.pop("call"), None)
        self.resident_bytes = frame.head["memory"]["residentBytes"]
        if answer is not None and not answer.done():
            answer.set_result(frame)

    def _expire(self, number: int) -> None:
        answer = self._calls.pop(number, None)
        if answer is None:
            return
        if not answer.done():
            answer.set_exception(TimeoutError())
        self.kill()

    def _lose_channel(self) -> None:
        self.stopping = True
        self._reaper = asyncio.get_running_loop().create_task(self._reap(), name=f"reap-{self.pid}")

    async def _reap(self) -> None:
        """The channel is closed: wait for the exit, then tell those who wait for answers."""
        try:
            code = await asyncio.to_thread(self._process.wait, _STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            code = await asyncio.to_thread(self._process.wait)
        gone = WorkerGone(f"the {self.spec.role} worker ended with {_exit_words(code)}")
        if not self._ready.done():
            self._ready.set_exception(gone)
        if not self._exited.done():
            self._exited.set_result(code)
        waiting, self._calls = self._calls, {}
        self._on_exit(self)
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(gone)


def _spawn(control: socket.socket) -> subprocess.Popen[bytes]:
    """Start `python -m app worker`; the child inherits `control` and standard error, nothing else.

    Its environment is made anew, so that no key or address of ours is in it. No `preexec_fn`: it deadlocks with
    threads; the child puts itself into its sandbox.
    """
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    environment |= CHILD_ENVIRONMENT | {"PYTHONPATH": str(Path(app.__file__).resolve().parents[1])}
    return subprocess.Popen(
        [sys.executable, "-m", "app", "worker", str(control.fileno()), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(control.fileno(),),
        env=environment,
        start_new_session=True,
    )


def _exit_words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
