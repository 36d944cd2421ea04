"""What tests of refusals send and expect."""

from __future__ import annotations

import json
import socket

from tests.serving import read_whole_answer

UPGRADE = (
    b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
)
KEY = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
STREAM = b"/v1/vision/hands/stream"


def refusal(connection: socket.socket, code: str) -> int:
    """Read a refusal, check that it is one, and return its status."""
    status, headers, body = read_whole_answer(connection)
    problem = json.loads(body)
    assert headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["requestId"] == headers["x-request-id"]
    assert problem["requestId"]
    return status
