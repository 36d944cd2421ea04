"""What starts the process of a child, and what the process is to those who started it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Literal, Protocol

StartMethod = Literal["fork", "exec"]
"""`fork`: from the zygote, with its libraries loaded; `exec`: a fresh interpreter."""


class StartedChild(Protocol):
    """A process that was started. The event loop watches its pidfd: no thread waits for it."""

    @property
    def pid(self) -> int: ...

    @property
    def start_method(self) -> StartMethod: ...

    @property
    def is_doomed(self) -> bool:
        """Whether it is known that the kernel kills it: its zygote died."""
        ...

    def kill(self) -> None:
        """Send SIGKILL; nothing happens where the process is gone."""
        ...

    async def wait(self) -> int:
        """Wait until the process is reaped; return its exit code as `subprocess` gives it (negative: by a signal)."""
        ...


class Launcher(Protocol):
    """`start_method` is how the next child will be started, `obstacle` why it is not by a fork, as a sentence."""

    @property
    def start_method(self) -> StartMethod: ...

    @property
    def obstacle(self) -> str | None: ...

    async def prepare(self) -> None:
        """Start what children are forked from, and wait until it is ready; do nothing where there is no such thing."""
        ...

    async def start(self, control: socket.socket) -> StartedChild:
        """Start a child whose channel is `control`; the caller closes its own copy. Cancelling leaves nothing.

        Call it on the main thread: a parent-death signal fires when the *thread* that started the child ends.

        Raises:
            OSError: the process cannot be started.
        """
        ...


class ZygoteWatch(Protocol):
    """Who accounts for the process of a zygote."""

    def started(self, pid: int, kill: Callable[[], None]) -> None: ...

    def ended(self, pid: int) -> None: ...
