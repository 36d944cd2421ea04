"""uvicorn, set up for this service: the listener for everything, and if wanted a second one for probes only."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import Any, cast

import uvloop
from fastapi import FastAPI

from app.memory.allocator import keep_transfer_buffers
from app.rounds import go_round
from app.server.front import Front
from app.server.fronts import Core, Fronts
from app.server.lifecycle import Lifecycle
from app.server.probes import ProbesOnly
from app.server.uvicorn_parts import Config
from app.server.uvicorn_parts import Server as UvicornServer
from app.settings import Settings

logger = logging.getLogger("ballast.server")

STALL_SECONDS = 30

_LOOK_SECONDS = 0.5
"""How often paused connections are asked whether their client is still there."""


class Server:
    """Serves one application until SIGTERM or SIGINT."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    def run(self) -> int:
        """Serve; return the exit code.

        The lifespan is run here, not by uvicorn, so that an error at start is raised as it is and both listeners share
        what was opened.

        Raises:
            Exception: whatever the lifespan raises.
        """
        keep_transfer_buffers()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                return runner.run(self._serve())
            except SystemExit as refusal:  # how uvicorn says that it could not bind
                return int(refusal.code or 1)

    async def _serve(self) -> int:
        server = self._settings.server
        async with AsyncExitStack() as stack:
            opened = await stack.enter_async_context(self._app.router.lifespan_context(self._app))
            state: dict[str, Any] = dict(opened or {})
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            fronts = Fronts(state, self._settings, stack)
            listeners = [fronts.open(self._app)]
            main = _Main("listening", _config(self._app, self._settings, server.port, listeners[0]), state)
            if server.probe_port is not None:
                listeners.append(fronts.open_for_probes(ProbesOnly(self._app)))
                config = _config(self._app, self._settings, server.probe_port, listeners[1])
                listener = config.bind_socket()  # here, so that a port in use ends the start in order
                tasks.create_task(_Listener("probes", config, state).follow(main, listener))
            looks = {"a look for clients that have gone": partial(_find_gone, listeners)}
            looking = tasks.create_task(go_round(looks, lambda: _LOOK_SECONDS, logger))
            await main.serve()
            looking.cancel()
        return main.exit_code


def _find_gone(fronts: list[Front]) -> None:
    for front in fronts:
        front.find_gone()


class _Listener(UvicornServer):
    """One uvicorn server that logs its address and hands `state` to every request."""

    def __init__(self, name: str, config: Config, state: dict[str, Any]) -> None:
        super().__init__(config)
        self._name = name
        self.state = state

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state = self.state
        await super().startup(sockets)
        for server in self.servers:
            for listener in server.sockets:
                _drop_stalled(listener)
                host, port = listener.getsockname()[:2]
                host = f"[{host}]" if ":" in host else host
                logger.info("%s on http://%s:%d", self._name, host, port, extra={"port": port})

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End in order at a signal. uvicorn raises it again, which kills the process before everything is closed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def follow(self, main: _Main, listener: socket.socket) -> None:
        """Serve for as long as `main` does, which handles the signals."""
        serving = asyncio.create_task(self._serve([listener]))
        draining = asyncio.create_task(main.lifecycle.drained())
        await asyncio.wait((serving, draining), return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()
        self.should_exit = True
        await serving


class _Main(_Listener):
    """The listener for everything. It ends when the lifecycle says so, and tells the lifecycle that the end begins."""

    exit_code = 0

    @property
    def lifecycle(self) -> Lifecycle:
        core: Core = self.state["core"]
        return core.lifecycle

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self.lifecycle.recycle_reason is not None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifecycle.drain()
        self.exit_code = self.lifecycle.exit_code
        await super().shutdown(sockets)


def _drop_stalled(listener: socket.socket) -> None:
    """Have the kernel cut connections whose client reads nothing for `STALL_SECONDS`; accepted sockets inherit it.

    A client that asks for a large answer and does not read it would hold its buffers for ever (TCP_USER_TIMEOUT,
    tcp(7)).
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALL_SECONDS * 1000)


def _config(app: FastAPI, settings: Settings, port: int, front: Front) -> Config:
    return Config(
        app,
        host=settings.server.host,
        port=port,
        lifespan="off",
        loop="none",
        http=cast("type[asyncio.Protocol]", front.connection),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(settings.server.drain_seconds)),
    )
