"""uvicorn, set up for this service: the listener for everything, and if wanted a second one for probes only."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol, cast

from fastapi import FastAPI

from app.domain.units import KIB
from app.memory.allocator import keep_transfer_buffers
from app.server.connections import CappedHttp, Slots
from app.server.lifecycle import Lifecycle
from app.server.probes import ProbesOnly
from app.server.protocols import BoundedWebSocket
from app.server.uvicorn_parts import Config
from app.server.uvicorn_parts import Server as UvicornServer
from app.settings import Settings

logger = logging.getLogger("ballast.server")

STALL_SECONDS = 30

_PROBE_CONNECTIONS = 32
_OTHER_FILES = 256


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
        server = self._settings.server
        _allow_files(server.max_connections)
        keep_transfer_buffers()
        main = _Main("listening", _config(self._app, self._settings, server.port, server.max_connections))
        with asyncio.Runner(loop_factory=main.config.get_loop_factory()) as runner:
            try:
                runner.run(self._serve(main))
            except SystemExit as refusal:  # how uvicorn says that it could not bind
                return int(refusal.code or 1)
        return main.exit_code

    async def _serve(self, main: _Main) -> None:
        async with self._app.router.lifespan_context(self._app) as state, asyncio.TaskGroup() as tasks:
            main.state = dict(state or {})
            if self._settings.server.probe_port is not None:
                probe_port = self._settings.server.probe_port
                config = _config(ProbesOnly(self._app), self._settings, probe_port, _PROBE_CONNECTIONS)
                listener = config.bind_socket()  # here, so that a port in use ends the start in order
                tasks.create_task(_Listener("probes", config).follow(main, listener))
            await main.serve()


class _Listener(UvicornServer):
    """One uvicorn server that logs its address and hands `state` to every request."""

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(config)
        self._name = name
        self.state: dict[str, Any] = {}

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
        self.state = main.state
        serving = asyncio.create_task(self._serve([listener]))
        draining = asyncio.create_task(main.lifecycle.drained())
        await asyncio.wait((serving, draining), return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()
        self.should_exit = True
        await serving


class _Living(Protocol):
    """What this server uses of the state under `core`."""

    @property
    def lifecycle(self) -> Lifecycle: ...


class _Main(_Listener):
    """The listener for everything. It ends when the lifecycle says so, and tells the lifecycle that the end begins."""

    exit_code = 0

    @property
    def lifecycle(self) -> Lifecycle:
        core: _Living = self.state["core"]
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


def _allow_files(connections: int) -> None:
    """Raise the limit of open files where that many connections, with a file for each, could reach it."""
    wanted = 2 * connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        if allowed < wanted:
            logger.warning("%d files may be open: lower BALLAST_SERVER__MAX_CONNECTIONS or raise ulimit -n", allowed)


def _config(app: Any, settings: Settings, port: int, connections: int) -> Config:
    slots = Slots(connections, settings.server.header_seconds)
    return Config(
        app,
        host=settings.server.host,
        port=port,
        lifespan="off",
        loop="uvloop",
        http=cast("type[asyncio.Protocol]", partial(CappedHttp, slots)),
        ws=BoundedWebSocket,
        # A frame may come as base64, which is a third longer, in a JSON message.
        ws_max_size=settings.vision.max_bytes * 4 // 3 + 64 * KIB,
        ws_per_message_deflate=False,  # pictures do not compress; saves 41 KiB a connection
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, round(settings.server.drain_seconds)),
    )
