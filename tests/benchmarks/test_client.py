from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.client import Client


@contextmanager
def answering(*pieces: bytes) -> Iterator[tuple[Client, list[bytes]]]:
    """Lend a client of a server that sends each piece for itself, after a piece of the request, and then closes."""
    requests: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            requests.append(connection.recv(65536))
            for piece in pieces:
                connection.sendall(piece)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        with Client("127.0.0.1", listener.getsockname()[1]) as client:
            yield client, requests
        server.join()


def test_an_answer_in_pieces_is_put_together() -> None:
    pieces = [b"HTTP/1.1 404 Not Found\r\nConte", b'nt-Length: 11\r\n\r\n{"code"', b": 1}"]
    with answering(*pieces) as (client, requests):
        answer = client.post("/v1/vision/hands", b"picture")

    assert (answer.status, answer.json()) == (404, {"code": 1})
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/vision/hands HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Content-Type: image/jpeg\r\nContent-Length: 7" in head
    assert body == b"picture"


def test_an_answer_that_ends_too_early_is_an_error() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhalf") as (client, _), pytest.raises(ConnectionError):
        client.get("/health/live")
