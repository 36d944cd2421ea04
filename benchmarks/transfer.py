"""Large bodies over one socket, in both directions, at next to no cost for the one who measures."""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass

from app.domain.units import MIB

BLOCK = random.Random(7).randbytes(MIB)
HEAD = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"  # so that it is taken for a video
BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW1"  # as long as a browser's

_BEFORE = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\nContent-Type: video/mp4\r\n\r\n'
).encode()
_AFTER = f"\r\n--{BOUNDARY}--\r\n".encode()


@dataclass(frozen=True, slots=True)
class Received:
    """An answer whose body went elsewhere."""

    status: int
    length_bytes: int


def send_file(port: int, path: str, mebibytes: int, *, is_form: bool) -> tuple[int, bytes]:
    """Send a file of so many MiB, as a form or as it is, and return the status and the body of the answer."""
    before, after = (_BEFORE, _AFTER) if is_form else (b"", b"")
    content_type = f"multipart/form-data; boundary={BOUNDARY}" if is_form else "video/mp4"
    head = _head("POST", path, port, len(before) + mebibytes * MIB + len(after), content_type)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head + before + HEAD + BLOCK[len(HEAD) :])
        for _ in range(mebibytes - 1):
            connection.sendall(BLOCK)
        connection.sendall(after)
        return _whole_answer(connection)


def delete(port: int, path: str) -> None:
    """Delete what is there.

    Raises:
        RuntimeError: the answer is not 204.
    """
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(_head("DELETE", path, port))
        status, body = _whole_answer(connection)
    if status != 204:
        raise RuntimeError(f"DELETE {path} was answered with {status}: {body[:300]!r}")


def fetch(port: int, path: str, sink: Callable[[memoryview], object] = len) -> Received:
    """Get what is there and give the body to `sink`, piece by piece: views that are good until it returns."""
    buffer = memoryview(bytearray(MIB))
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(_head("GET", path, port))
        data = b""
        while b"\r\n\r\n" not in data:
            data += _some(connection)
        head, _, rest = data.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        if length is None:
            raise RuntimeError(f"the answer to {path} says no length")
        sink(memoryview(rest))
        missing = int(length[1]) - len(rest)
        while missing > 0:
            count = connection.recv_into(buffer)
            if not count:
                raise ConnectionError("the server closed the connection")
            missing -= count
            sink(buffer[:count])
    return Received(int(head.split(b" ", 2)[1]), int(length[1]))


def _head(method: str, path: str, port: int, length: int | None = None, content_type: str = "") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close"]
    if length is not None:
        lines += [f"Content-Type: {content_type}", f"Content-Length: {length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _whole_answer(connection: socket.socket) -> tuple[int, bytes]:
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the server closed the connection")
    return data
