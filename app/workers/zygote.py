"""Starts children by forking them from a zygote, and plainly where that is not possible."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence

from app.workers.brake import RestartBrake
from app.workers.forking import fork_obstacle
from app.workers.launch import PlainLauncher
from app.workers.launcher import StartedChild, StartMethod, ZygoteWatch
from app.workers.zygote_process import ZygoteProcess, ZygoteUnfit

logger = logging.getLogger("ballast.workers")


class Unwatched:
    """A `ZygoteWatch` for where nobody accounts for anything."""

    def started(self, pid: int, kill: Callable[[], None]) -> None:
        pass

    def ended(self, pid: int) -> None:
        pass


class Zygote:
    """A `Launcher` whose children have the modules in `preload` loaded from the start, and share their memory.

    The zygote is started with the first child, and leaves `idle_seconds` after the last one has gone. If it dies, its
    children die with it, and the next start makes a new one; while that has happened too often, children are started
    plainly. So they are where children cannot be forked: `obstacle` says why.
    """

    def __init__(
        self,
        preload: Sequence[str],
        watch: ZygoteWatch,
        idle_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        ready_seconds: float = 10.0,
    ) -> None:
        """`ready_seconds` is for a first start from a slow disk; with warm caches it takes a fifth of a second."""
        self._preload = preload
        self._ready_seconds = ready_seconds
        self._watch = watch
        self._idle_seconds = idle_seconds
        self._brake = RestartBrake(clock)
        self._plain = PlainLauncher()
        self._lasting_obstacle = fork_obstacle()
        self._failure: str | None = None
        self._current: ZygoteProcess | None = None
        self._processes: set[ZygoteProcess] = set()

    @property
    def is_running(self) -> bool:
        """Whether there is a zygote that forks."""
        return self._current is not None and not self._current.is_leaving

    @property
    def start_method(self) -> StartMethod:
        """How the next child will be started, as far as is known."""
        return "fork" if self.obstacle is None else "exec"

    @property
    def obstacle(self) -> str | None:
        """Why children are not forked: one sentence for people. None: they are."""
        if self._lasting_obstacle is None and self._brake.closed_seconds > 0:
            return f"the zygote died too often; the next one may start in {self._brake.closed_seconds:.0f} s"
        return self._lasting_obstacle or self._failure

    def leave_if_idle(self) -> bool:
        """Have a zygote leave that has no child, and whose children nobody waits for; return whether it does."""
        return self._current is not None and self._current.leave_if_idle()

    async def prepare(self) -> None:
        """Have a zygote that is ready to fork, if there may be one now; `obstacle` says why there is none."""
        if (process := self._usable()) is not None:
            try:
                await process.ready()
            except ZygoteUnfit as error:
                self._note(error)

    async def start(self, control: socket.socket) -> StartedChild:
        """Fork a child, or start it plainly. Cancelling leaves nothing.

        Raises:
            OSError: neither is possible.
        """
        assert threading.current_thread() is threading.main_thread(), "children are started from the main thread"
        process = self._usable()
        if process is not None:
            try:
                child = await process.fork(control)
            except ZygoteUnfit as error:
                self._note(error)
            else:
                self._failure = None
                return child
        return await self._plain.start(control)

    async def aclose(self) -> None:
        """End the zygote, and with it all children that it forked. Close their pools first."""
        await asyncio.gather(*(process.aclose() for process in self._processes))

    def _usable(self) -> ZygoteProcess | None:
        """Return the zygote, a new one if need be; None where there must not be one now."""
        if self.is_running:
            return self._current
        if self._lasting_obstacle is not None or self._brake.closed_seconds > 0:
            return None
        try:
            self._current = ZygoteProcess(self._preload, self._ready_seconds, self._idle_seconds, self._lose)
        except OSError as error:
            self._failure = f"the zygote could not be started: {error.strerror}"
            return None
        self._processes.add(self._current)
        self._watch.started(self._current.pid, self._current.kill)
        return self._current

    def _note(self, error: ZygoteUnfit) -> None:
        logger.warning("a child is started plainly: %s", error)
        if error.is_lasting:
            self._lasting_obstacle = str(error)
        else:
            self._failure = str(error)

    def _lose(self, process: ZygoteProcess) -> None:
        self._processes.discard(process)
        self._watch.ended(process.pid)
        if process is self._current:
            self._current = None
        if not process.is_leaving:
            self._brake.record_death()
            logger.warning("the zygote died, and its children with it", extra={"pid": process.pid})
