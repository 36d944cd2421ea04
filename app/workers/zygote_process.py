"""One running zygote, as the API sees it, and the children that it forked. `forker.py` is its own side."""

from __future__ import annotations

import asyncio
import errno
import itertools
import json
import logging
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

from app.workers.ending import describe_exit
from app.workers.forked import ForkedChild
from app.workers.forking import MESSAGE_BYTES
from app.workers.launch import PlainChild, spawn
from app.workers.sandbox import niceness_of_children

logger = logging.getLogger("ballast.workers")

_FORK_SECONDS = 5.0
_STOP_SECONDS = 2.0


_REST_SECONDS = 1.0
"""How long it must have had no child to leave before its time: the next one may be coming in."""


class ZygoteUnfit(Exception):
    """Children cannot be forked from this zygote; the message says why. `is_lasting`: nor from another one."""

    def __init__(self, message: str, *, is_lasting: bool = False) -> None:
        super().__init__(message)
        self.is_lasting = is_lasting


class ZygoteProcess:
    """Is killed if it is not ready within `ready_seconds`, and leaves when it has had no child for `idle_seconds`."""

    def __init__(
        self,
        preload: Sequence[str],
        ready_seconds: float,
        idle_seconds: float,
        on_end: Callable[[ZygoteProcess], None],
    ) -> None:
        """Start it; `on_end` is called once, when it is reaped.

        Raises:
            OSError: that is not possible.
        """
        self.is_leaving = False
        self._idle_seconds = idle_seconds
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._children: dict[int, ForkedChild] = {}
        self._numbers = itertools.count(1)
        self._pending: dict[int, asyncio.Future[ForkedChild]] = {}
        self._idle_timer: asyncio.TimerHandle | None = None
        self._idle_since = self._loop.time()
        self._greeting: asyncio.Future[None] = self._loop.create_future()
        self._greeting.add_done_callback(lambda greeting: greeting.exception())  # perhaps nobody waits for it
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._process = PlainChild(spawn("zygote", theirs))
            except OSError:
                self._control.close()
                raise
        self.pid = self._process.pid
        self.kill = self._process.kill
        self._control.setblocking(False)
        self._loop.add_reader(self._control, self._receive)
        level = logging.getLevelName(logging.getLogger().getEffectiveLevel()).lower()
        opening = {"preload": list(preload), "logLevel": level, "niceness": niceness_of_children()}
        self._control.send(json.dumps(opening).encode())
        self._patience = self._loop.call_later(ready_seconds, self._lose_patience)
        self._reaper = self._loop.create_task(self._reap(), name="reap-zygote")

    async def ready(self) -> None:
        """Wait until it has loaded its libraries.

        Raises:
            ZygoteUnfit: it cannot be forked.
        """
        await asyncio.shield(self._greeting)

    async def fork(self, channel: socket.socket) -> ForkedChild:
        """Have it fork a child with this channel, as soon as it has loaded its libraries. Cancelling leaves nothing.

        Raises:
            ZygoteUnfit: it cannot, and no child has the channel.
            OSError: it did not, and the channel may still get to a child.
        """
        await self.ready()
        number = next(self._numbers)
        answer: asyncio.Future[ForkedChild] = self._loop.create_future()
        self._pending[number] = answer
        try:
            self._request(number, channel)
            async with asyncio.timeout(_FORK_SECONDS):
                return await answer
        except TimeoutError:
            self.leave_after_children()
            _kill_unclaimed(answer)
            raise OSError(errno.ETIMEDOUT, "the zygote does not answer") from None
        except asyncio.CancelledError:
            _kill_unclaimed(answer)
            raise
        finally:
            del self._pending[number]
            self._watch_idle()

    def _request(self, number: int, channel: socket.socket) -> None:
        try:
            socket.send_fds(self._control, [json.dumps({"fork": number}).encode()], [channel.fileno()])
        except OSError as error:
            raise ZygoteUnfit(f"the zygote does not listen: {error.strerror}") from error

    def leave_after_children(self) -> None:
        """Fork no more, and leave with the last child."""
        self.is_leaving = True
        self._idle_seconds = 0.0
        self._watch_idle()

    def leave_if_idle(self) -> bool:
        """Leave before the time where it has had no child for `_REST_SECONDS`; return whether it does."""
        is_idle = self._greeting.done() and not (self._children or self._pending or self.is_leaving)
        if not is_idle or self._loop.time() < self._idle_since + _REST_SECONDS:
            return False
        self._leave()
        return True

    async def aclose(self) -> None:
        """End it, and with it all its children; it is reaped on return."""
        self._leave()
        await asyncio.shield(self._reaper)

    def _leave(self) -> None:
        self.is_leaving = True
        self._close_control()
        self._loop.call_later(_STOP_SECONDS, self.kill)

    def _watch_idle(self) -> None:
        if self._control.fileno() < 0:
            return
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._idle_since = self._loop.time()
        self._idle_timer = self._loop.call_later(self._idle_seconds, self._leave_if_idle)

    def _leave_if_idle(self) -> None:
        if not (self._children or self._pending):
            self._leave()

    def _receive(self) -> None:
        """Take what the zygote says, until there is no more for now."""
        while self._control.fileno() >= 0:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError:
                data, descriptors = b"", []
            if data:
                self._take(json.loads(data), descriptors)
            else:
                self._close_control()

    def _take(self, message: dict[str, Any], descriptors: list[int]) -> None:
        match message:
            case {"threads": threads, "missing": missing}:
                self._greet(threads, missing)
            case {"forked": number, "pid": pid}:
                self._adopt(number, ForkedChild(pid, descriptors[0]))
            case {"refused": number, "threads": threads}:
                self.leave_after_children()
                self._fail(number, _too_many(threads))
            case {"failed": number, "errno": code}:
                self._fail(number, OSError(code, os.strerror(code)))
            case {"ended": pid, "exitCode": exit_code}:
                self._children.pop(pid).report(exit_code)
                self._watch_idle()

    def _greet(self, threads: int, missing: list[str]) -> None:
        self._patience.cancel()
        if threads != 1:
            self.is_leaving = True  # it does so by itself
            self._greeting.set_exception(_too_many(threads))
            return
        logger.info("zygote started", extra={"pid": self.pid, "missing": missing})
        self._greeting.set_result(None)
        self._watch_idle()

    def _adopt(self, number: int, child: ForkedChild) -> None:
        self._children[child.pid] = child
        answer = self._pending.get(number)
        if answer is None or answer.done():  # given up meanwhile
            child.kill()
        else:
            answer.set_result(child)

    def _fail(self, number: int, error: Exception) -> None:
        answer = self._pending.get(number)
        if answer is not None and not answer.done():
            answer.set_exception(error)

    def _lose_patience(self) -> None:
        self._greeting.set_exception(ZygoteUnfit("the zygote was not ready in time"))
        self.kill()

    async def _reap(self) -> None:
        exit_code = await self._process.wait()
        self._receive()  # what it said last
        self._close_control()
        self._patience.cancel()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        gone = ZygoteUnfit(f"the zygote ended with {describe_exit(exit_code)}")
        if not self._greeting.done():
            self._greeting.set_exception(gone)
        for number in self._pending:
            self._fail(number, gone)
        for child in self._children.values():
            child.orphan()
        self._on_end(self)

    def _close_control(self) -> None:
        if self._control.fileno() >= 0:
            self._loop.remove_reader(self._control)
            self._control.close()


def _too_many(threads: int) -> ZygoteUnfit:
    return ZygoteUnfit(f"the zygote has {threads} threads: it cannot be forked safely", is_lasting=True)


def _kill_unclaimed(answer: asyncio.Future[ForkedChild]) -> None:
    """Whoever asked for a child was cancelled as it came."""
    if answer.done() and not answer.cancelled() and answer.exception() is None:
        answer.result().kill()
