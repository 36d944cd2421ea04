"""The yardstick of `benchmarks/upload.py`: a blocking loop from a socket to a file, with no protocol to speak of."""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path

BUFFER_BYTES = 64 * 1024


def main(port: int, folder: Path) -> None:
    target = folder / "raw.bin"
    view = memoryview(bytearray(BUFFER_BYTES))
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            connection, _ = listener.accept()
            with connection, target.open("wb", buffering=0) as file:
                receive(connection, file.fileno(), view)
            target.unlink()


def receive(connection: socket.socket, fd: int, view: memoryview) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(4096)
        if not data:
            return
        head += data
    head, _, rest = head.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    missing = int(length[1]) - len(rest) if length else 0
    write_all(fd, memoryview(rest))
    while missing > 0:
        count = connection.recv_into(view)
        if not count:
            return
        missing -= count
        write_all(fd, view[:count])
    connection.sendall(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")


def write_all(fd: int, data: memoryview) -> None:
    while data:
        data = data[os.write(fd, data) :]


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
