"""The service behind its ports: the listener for everything, and if wanted a second one for probes only."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import Any

import uvloop
from fastapi import FastAPI

from app.memory.allocator import keep_transfer_buffers
from app.rounds import go_round
from app.server.ending import Ending, cut
from app.server.fronts import Core, Fronts
from app.server.listener import Listener
from app.server.probes import ProbesOnly
from app.settings import Settings

logger = logging.getLogger("ballast.server")

UNBOUND_EXIT_CODE = 1
"""A port is taken, or the address is not ours."""

_LOOK_SECONDS = 0.5
"""How often paused connections are asked whether their client is still there, and idle ones whether they may stay."""


class Server:
    """Serves one application until SIGTERM or SIGINT."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    def run(self) -> int:
        """Serve; return the exit code.

        The lifespan is run here, so that an error at start is raised as it is and both listeners share what was opened.

        Raises:
            Exception: whatever the lifespan raises.
        """
        keep_transfer_buffers()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(self._serve())

    async def _serve(self) -> int:
        async with AsyncExitStack() as last, AsyncExitStack() as stack:
            opened = await stack.enter_async_context(self._app.router.lifespan_context(self._app))
            state: dict[str, Any] = dict(opened or {})
            core: Core = state["core"]
            main = self._listener(Fronts(state, self._settings, stack))
            probes = self._probe_listener(Fronts(state, self._settings, last))
            listeners = [main, *probes]
            if not await _bind(listeners):
                return UNBOUND_EXIT_CODE
            ending = Ending(core.lifecycle, self._settings.server)
            last.enter_context(ending.signals())
            for listener in listeners:
                await listener.open()
            for probe in probes:
                last.push_async_callback(_close, probe)
            await self._run(ending, main, listeners)
            return core.lifecycle.exit_code

    async def _run(self, ending: Ending, main: Listener, listeners: list[Listener]) -> None:
        works = {f"a look at connections ({number})": one.front.look_after for number, one in enumerate(listeners)}
        dates = {f"the date ({number})": one.refresh_date for number, one in enumerate(listeners)}
        rounds = [
            asyncio.create_task(go_round(works, lambda: _LOOK_SECONDS, logger)),
            asyncio.create_task(go_round(dates, lambda: 1.0, logger)),
        ]
        try:
            await ending.run(main)
        finally:
            for task in rounds:
                task.cancel()
            await asyncio.gather(*rounds, return_exceptions=True)

    def _listener(self, fronts: Fronts) -> Listener:
        server = self._settings.server
        return Listener("listening", fronts.open(self._app), server.host, server.port)

    def _probe_listener(self, fronts: Fronts) -> list[Listener]:
        server = self._settings.server
        if server.probe_port is None:
            return []
        front = fronts.open_for_probes(ProbesOnly(self._app))
        return [Listener("probes", front, server.host, server.probe_port)]


async def _bind(listeners: list[Listener]) -> bool:
    """Take all ports; False: one of them cannot be had, and none is kept."""
    for listener in listeners:
        try:
            await listener.bind()
        except OSError as error:
            logger.error("%s cannot be listened on: %s", listener.address, (error.strerror or str(error)).lower())
            for other in listeners:
                other.release()
            return False
    return True


async def _close(listener: Listener) -> None:
    await listener.close()
    listener.front.shutdown()
    await cut(listener.front)
