"""A real server on loopback for tests that need real connections."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI
from uvicorn.config import Config
from uvicorn.server import Server


@contextmanager
def serve(app: FastAPI) -> Iterator[int]:
    """Run `app` in a thread and give the port on 127.0.0.1; stopped, lifespan and all, at the end of the block."""
    server = Server(Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, name="server")
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the server did not start")
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def exchange(port: int, *pieces: bytes) -> tuple[int, bytes]:
    """Send `pieces` over one connection and return the status and the body of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return read_answer(connection)


def read_answer(connection: socket.socket) -> tuple[int, bytes]:
    """Read one answer to its end, by Content-Length or by the end of the connection."""
    status, _, body = read_whole_answer(connection)
    return status, body


def read_whole_answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Return the status, the headers (their names in lower case) and the body of one answer."""
    data = b""
    while b"\r\n\r\n" not in data and (chunk := connection.recv(65536)):
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = [line.partition(":") for line in lines]
    headers = {name.lower(): value.strip() for name, _, value in fields}
    length = int(headers["content-length"]) if "content-length" in headers else None
    while (length is None or len(body) < length) and (chunk := connection.recv(65536)):
        body += chunk
    return int(first.split(" ")[1]), headers, body


def free_port() -> int:
    """Return a port on 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
