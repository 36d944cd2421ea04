"""A child that a zygote forked, as the API sees it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

from app.workers.launcher import StartMethod
from app.workers.pidfd import ProcessHandle

_REPORT_SECONDS = 1.0
"""A zygote that has not reported an end by then is stopped, or busy dying."""


class ForkedChild:
    """A child of the zygote. It is over when its pidfd says so, and reaped when the zygote has reported that."""

    start_method: StartMethod = "fork"

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self.is_doomed = False
        self._loop = asyncio.get_running_loop()
        self._exit_code: asyncio.Future[int] = self._loop.create_future()
        self._reported: int | None = None
        self._is_over = False
        self._handle = ProcessHandle(descriptor, self._end)

    def kill(self) -> None:
        self._handle.kill()

    async def wait(self) -> int:
        return await asyncio.shield(self._exit_code)

    def report(self, exit_code: int) -> None:
        """The zygote has reaped it."""
        self._reported = exit_code
        self._settle()

    def orphan(self) -> None:
        """Nobody will report: the zygote is gone, and the kernel kills what it forked."""
        self.is_doomed = True
        if self._reported is None:
            self.report(-signal.SIGKILL)

    def _end(self) -> None:
        self._is_over = True
        self._settle()
        if not self._exit_code.done():
            self._loop.call_later(_REPORT_SECONDS, self.orphan)

    def _settle(self) -> None:
        if self._is_over and self._reported is not None and not self._exit_code.done():
            with contextlib.suppress(ChildProcessError):  # it is ours where we are process 1: orphans become that's
                os.waitid(os.P_PIDFD, self._handle.descriptor, os.WEXITED | os.WNOHANG)
            self._handle.close()
            self._exit_code.set_result(self._reported)
