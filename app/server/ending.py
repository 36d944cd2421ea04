"""The order in which the service ends.

It is asked to, by a signal or because it is to be recycled. It leaves: readiness fails at once and everything is still
answered, so that whoever sends requests here learns of it before anything is refused (a lame duck, as load balancers
call it). It drains: new connections are refused, streams and idle connections end, what is open has its time. Then it
cuts: what is still open says a last word, or is told 503, and what takes that too slowly is aborted.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from app.server.front import Front
from app.server.lifecycle import Lifecycle
from app.server.listener import Listener
from app.settings import ServerSettings

logger = logging.getLogger("ballast.server")

_LAST_WORD_SECONDS = 2.0
"""How long what is cut has to say so."""

_ABORT_SECONDS = 1.0
"""How long after that an answer may still be on its way, before its connection is aborted."""

_LOOK_SECONDS = 0.05


class Ending:
    """Ends one service."""

    def __init__(self, lifecycle: Lifecycle, settings: ServerSettings) -> None:
        self._lifecycle = lifecycle
        self._settings = settings
        self._hurried = asyncio.Event()
        self._skips_lame_duck = False
        self._reason = ""

    @contextmanager
    def signals(self) -> Iterator[None]:
        """For the block, SIGTERM and SIGINT ask for the end, and a second one hurries it.

        At SIGINT somebody sits at a terminal: nobody has to learn first that the service is not ready.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.come, number)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def come(self, number: signal.Signals) -> None:
        """A signal has come."""
        if self._lifecycle.leaving:
            logger.warning("%s again: the end is hurried", number.name)
            self._hurried.set()
            return
        self._reason = number.name
        self._skips_lame_duck = number is signal.SIGINT
        self._lifecycle.ask()

    async def run(self, listener: Listener) -> None:
        """Wait until the end is asked for, and end what one listener lets in."""
        lifecycle, front = self._lifecycle, listener.front
        await lifecycle.asked()
        lame_duck_seconds = 0.0 if self._skips_lame_duck else self._settings.lame_duck_seconds
        drain_seconds, reason = self._settings.drain_seconds, lifecycle.recycle_reason or self._reason
        logger.info(
            "the service ends: not ready any more; everything is answered for a while",
            extra={
                "reason": reason,
                "lameDuckSeconds": lame_duck_seconds,
                "drainSeconds": drain_seconds,
                **front.states(),
            },
        )
        lifecycle.leave()
        front.leave()
        await self._unless_hurried(asyncio.sleep(lame_duck_seconds))
        logger.info("new connections are refused; what is open is finished", extra=front.states())
        lifecycle.drain()
        await listener.close()
        front.shutdown()
        await self._unless_hurried(_until_empty(front, drain_seconds))
        await self._cut(front)

    async def _cut(self, front: Front) -> None:
        if front.is_empty:
            logger.info("everything was answered")
            return
        logger.warning("what is still open is cut", extra=front.states())
        self._lifecycle.cut()
        await cut(front)

    async def _unless_hurried(self, waiting: Coroutine[Any, Any, None]) -> None:
        """Wait, but not after the end was hurried."""
        tasks = asyncio.create_task(waiting), asyncio.create_task(self._hurried.wait())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()


async def cut(front: Front) -> None:
    """End every connection of a front: with a last word, else by force."""
    front.cut_unanswered()
    await _until_empty(front, _LAST_WORD_SECONDS)
    front.cut_all()
    await _until_empty(front, _ABORT_SECONDS)
    front.abort()
    await asyncio.sleep(0)


async def _until_empty(front: Front, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not front.is_empty:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        pass
