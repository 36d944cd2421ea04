"""A real server on loopback for tests that need real connections."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI


@contextmanager
def serve(app: FastAPI) -> Iterator[int]:
    """Run `app` in a thread and give the port on 127.0.0.1; stopped, lifespan and all, at the end of the block."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="on"))
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
    data = b""
    while b"\r\n\r\n" not in data and (chunk := connection.recv(65536)):
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].split(b":")[1]) if lengths else None
    while (length is None or len(body) < length) and (chunk := connection.recv(65536)):
        body += chunk
    return int(head.split(b" ")[1]), body
