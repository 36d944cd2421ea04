"""Frames over a WebSocket: each answer is for the newest frame, and of what a client sends only its size ends it."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from app.vision.schema import AnalysisSchema
from tests.e2e.pictures import large_jpeg, thumb
from tests.e2e.server import RunningServer, eventually, run_server

pytestmark = [pytest.mark.model, pytest.mark.photo]

MAX_BYTES = 100_000
FRAMES = 90


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {"VISION__WORKERS": "1", "VISION__MAX_BYTES": str(MAX_BYTES), "VISION__MAX_STREAMS": "4"}
    with run_server(tmp_path_factory.mktemp("stream"), settings) as server:
        assert httpx.post(f"{server.url}/v1/vision/hands", content=thumb(), timeout=30).status_code == 200
        yield server


@pytest.fixture
def stream(server: RunningServer) -> Iterator[ClientConnection]:
    """An open stream that has greeted; afterwards none may be left."""
    with open_stream(server) as connection:
        yield connection
    eventually(lambda: server.memory()["streams"]["active"] == 0)


@contextmanager
def open_stream(server: RunningServer, path: str = "/v1/vision/hands/stream") -> Iterator[ClientConnection]:
    with connect(f"{server.websocket_url}{path}", max_size=None) as connection:
        assert receive(connection)["type"] == "ready"
        yield connection


def receive(connection: ClientConnection) -> dict[str, Any]:
    document = json.loads(connection.recv(timeout=15))
    assert isinstance(document, dict)
    return document


def send(connection: ClientConnection, **message: Any) -> None:
    connection.send(json.dumps(message))


def barrier(connection: ClientConnection) -> list[dict[str, Any]]:
    """Wait until the service has read everything that was sent; return what came before its pong."""
    send(connection, type="ping")
    messages = []
    while (message := receive(connection))["type"] != "pong":
        messages.append(message)
    return messages


def close_code(connection: ClientConnection) -> int:
    """Read until the service closes, and return its code."""
    while True:
        try:
            connection.recv(timeout=5)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else 1006


def test_the_first_message_says_what_is_taken(server: RunningServer) -> None:
    with connect(f"{server.websocket_url}/v1/vision/gestures/stream") as connection:
        greeting = receive(connection)

    assert greeting == {
        "type": "ready", "task": "gestures", "maxFrameBytes": MAX_BYTES, "maxWidth": 640, "maxHeight": 480,
    }  # fmt: skip


def test_a_frame_is_answered(stream: ClientConnection) -> None:
    stream.send(thumb())

    result = receive(stream)

    assert (result["type"], result["seq"], result["dropped"], result["mode"]) == ("result", 1, 0, "FULL_QUALITY")
    assert "id" not in result
    assert result["advice"].keys() == {"maxFps", "maxWidth", "maxHeight", "quality"}
    assert abs(result["detections"][0]["landmarks"][0]["x"] - 0.256) < 0.03
    of_stream = {"type", "seq", "id", "dropped", "advice"}
    AnalysisSchema.model_validate({name: value for name, value in result.items() if name not in of_stream})


@pytest.mark.parametrize("name", ["frame-1", 17, None, "é\u0000", 1.5, "x" * 128])
@pytest.mark.parametrize("prefix", ["", "data:image/jpeg;base64,"])
def test_a_frame_as_text_is_answered_under_its_name(stream: ClientConnection, name: object, prefix: str) -> None:
    send(stream, type="frame", image=prefix + base64.b64encode(thumb()).decode(), id=name)

    result = receive(stream)

    assert result["type"] == "result"
    assert result.get("id") == name
    assert len(result["detections"]) == 1


@pytest.mark.parametrize("name", [{"a": [1]}, True, "x" * 129, "x" * 100_000])
def test_a_name_that_is_no_number_and_no_short_text_is_an_error(stream: ClientConnection, name: object) -> None:
    send(stream, type="frame", image=base64.b64encode(thumb()).decode(), id=name)

    error = receive(stream)

    assert (error["type"], error["code"]) == ("error", "bad_request")
    assert barrier(stream) == []


@pytest.mark.parametrize("message", [b"", "", '{"type": "ping"}'])
def test_too_many_small_messages_are_told_and_end_the_stream(stream: ClientConnection, message: bytes | str) -> None:
    with suppress(ConnectionClosed):
        for _ in range(2000):
            stream.send(message)

    said: list[dict[str, Any]] = []
    with suppress(ConnectionClosed):
        said.extend(json.loads(text) for text in stream)
    assert "too_many_requests" in [answer.get("code") for answer in said]
    assert stream.close_code == 1008


def test_frames_are_counted(stream: ClientConnection) -> None:
    seen = []
    for _ in range(5):
        stream.send(thumb())
        seen.append(receive(stream))

    assert [(result["seq"], result["dropped"]) for result in seen] == [(number, 0) for number in range(1, 6)]


def test_the_newest_frame_is_the_next_one_answered(server: RunningServer, stream: ClientConnection) -> None:
    worker = server.only_child()
    os.kill(worker, signal.SIGSTOP)
    send(stream, type="frame", image=base64.b64encode(thumb()).decode(), id=1)
    barrier(stream)
    for number in range(2, 31):
        send(stream, type="frame", image=base64.b64encode(thumb()).decode(), id=number)
    barrier(stream)

    os.kill(worker, signal.SIGCONT)

    first, second = receive(stream), receive(stream)
    assert (first["seq"], first["id"]) == (1, 1)
    assert (second["seq"], second["id"], second["dropped"]) == (30, 30, 28)
    assert barrier(stream) == []


def test_a_flood_is_answered_for_the_newest_frame_and_what_is_dropped_is_counted(
    server: RunningServer, stream: ClientConnection
) -> None:
    """Frames at 60 a second; an answer may be behind by what came in while one picture was looked at, not by more."""
    sent_at_answer, answers = [0], []
    due = time.monotonic()
    for number in range(1, FRAMES + 1):
        stream.send(thumb())
        due = max(due + 1 / 60, time.monotonic())  # what a stall of ours held up is not sent in one go
        while True:
            try:
                answers.append(json.loads(stream.recv(timeout=max(0.0, due - time.monotonic()))))
                sent_at_answer.append(number)
            except TimeoutError:
                break
    while not answers or answers[-1]["seq"] < FRAMES:
        answers.append(receive(stream))

    sequence = [answer["seq"] for answer in answers]
    assert sequence == sorted(set(sequence))
    assert all(seq >= sent for seq, sent in zip(sequence[2:], sent_at_answer, strict=False))
    assert len(answers) + answers[-1]["dropped"] == FRAMES
    before = server.memory()["streams"]
    stream.close()
    after = eventually(lambda: now if (now := server.memory()["streams"])["active"] < before["active"] else None)
    assert after is not None
    assert after["dropped"] >= answers[-1]["dropped"]


BAD_FRAMES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "unsupported_media"),
    "text": (b"no picture", "unsupported_media"),
    "truncated": (b"\xff\xd8\xff\xe0", "invalid_media"),
    "half": (b"half", "invalid_media"),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_bad_frame_is_an_error_and_the_stream_goes_on(stream: ClientConnection, name: str) -> None:
    frame, code = BAD_FRAMES[name]
    stream.send(thumb()[:20_000] if name == "half" else frame)

    error = receive(stream)
    stream.send(thumb())
    result = receive(stream)

    assert (error["type"], error["code"], error["seq"]) == ("error", code, 1)
    assert error["detail"]
    assert (result["type"], result["seq"]) == ("result", 2)


@pytest.mark.parametrize(
    "text",
    [
        "", "hello", "{", "null", "[]", "17", '"frame"', "{}", '{"type": null}', '{"type": "dance"}',
        '{"type": ["frame"]}',
        '{"type": "frame"}', '{"type": "frame", "image": 17}', '{"type": "frame", "image": "%%%"}',
        '{"type": "frame", "image": "abc"}', '{"type": "frame", "image": "\\ud800"}', "\u0000", "9" * 10_000,
        '{"type": "frame", "image": "' + "é" * 1000 + '"}',
    ],
)  # fmt: skip
def test_text_that_is_no_message_is_an_error_and_the_stream_goes_on(stream: ClientConnection, text: str) -> None:
    stream.send(text)

    error = receive(stream)
    send(stream, type="ping")

    assert (error["type"], error["code"]) == ("error", "bad_request")
    assert receive(stream) == {"type": "pong"}


def test_deeply_nested_text_is_an_error_and_the_stream_goes_on(stream: ClientConnection) -> None:
    stream.send("[" * 100_000)

    error = receive(stream)

    assert (error["type"], error["code"]) == ("error", "bad_request")
    assert barrier(stream) == []


def test_a_name_that_is_not_json_is_not_given_back(stream: ClientConnection) -> None:
    """Python reads NaN and writes it; no browser reads it (RFC 8259)."""
    stream.send('{"type": "frame", "id": NaN, "image": "' + base64.b64encode(thumb()).decode() + '"}')

    assert "NaN" not in str(stream.recv(timeout=15))


def test_a_frame_above_the_cap_closes_the_stream(stream: ClientConnection) -> None:
    stream.send(large_jpeg(MAX_BYTES + 1))

    assert close_code(stream) == 1009


def test_a_frame_far_above_the_cap_closes_the_stream(stream: ClientConnection) -> None:
    stream.send(large_jpeg(4 * MAX_BYTES))

    assert close_code(stream) == 1009


def test_a_frame_above_the_cap_as_text_closes_the_stream(stream: ClientConnection) -> None:
    send(stream, type="frame", image=base64.b64encode(large_jpeg(MAX_BYTES + 1)).decode())

    assert close_code(stream) == 1009


def test_a_frame_of_the_cap_is_taken(stream: ClientConnection) -> None:
    stream.send(large_jpeg(MAX_BYTES))
    binary = receive(stream)
    send(stream, type="frame", image=base64.b64encode(large_jpeg(MAX_BYTES)).decode())
    text = receive(stream)

    assert (binary["type"], text["type"]) == ("result", "result")


def test_a_ping_is_answered(stream: ClientConnection) -> None:
    send(stream, type="ping")

    assert receive(stream) == {"type": "pong"}


def test_parameters_can_be_changed_while_streaming(stream: ClientConnection) -> None:
    send(stream, type="configure", minConfidence=1.0, maxHands=1)
    stream.send(thumb())
    strict = receive(stream)
    send(stream, type="configure", minConfidence=0.5)
    stream.send(thumb())
    usual = receive(stream)

    assert strict["detections"] == []
    assert len(usual["detections"]) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"maxHands": 0}, {"maxHands": "many"}, {"unknown": 1}, {"maxFps": 0}, {"maxFps": -1}, {"maxFps": 1e9},
        {"minConfidence": None}, {"minConfidence": [0.5]}, {"key": "x"}, {"task": "gestures"},
    ],
)  # fmt: skip
def test_a_wrong_change_is_an_error_and_changes_nothing(stream: ClientConnection, change: dict[str, Any]) -> None:
    send(stream, type="configure", **change)
    error = receive(stream)
    stream.send(thumb())
    result = receive(stream)

    assert (error["type"], error["code"]) == ("error", "invalid_parameter")
    assert len(result["detections"]) == 1


def test_parameters_can_come_with_the_address(server: RunningServer) -> None:
    with open_stream(server, "/v1/vision/hands/stream?minConfidence=1.0&maxHands=1&maxFps=30") as stream:
        stream.send(thumb())
        result = receive(stream)

    assert result["detections"] == []


def test_no_more_frames_are_answered_than_were_asked_for(server: RunningServer) -> None:
    with open_stream(server, "/v1/vision/hands/stream?maxFps=10") as stream:
        began, answered = time.monotonic(), 0
        while (now := time.monotonic()) < began + 0.8 or (not answered and now < began + 15):
            stream.send(thumb())
            try:
                answered += json.loads(stream.recv(timeout=1 / 60))["type"] == "result"
            except TimeoutError:
                continue
        elapsed = time.monotonic() - began

    assert 1 <= answered <= 1 + 10 * elapsed


def test_one_stream_too_many_is_told_to_come_later(server: RunningServer) -> None:
    eventually(lambda: server.memory()["streams"]["active"] == 0)
    with ExitStack() as streams:
        for _ in range(4):
            streams.enter_context(open_stream(server))

        with connect(f"{server.websocket_url}/v1/vision/hands/stream") as fifth:
            code = close_code(fifth)
        active = server.memory()["streams"]["active"]

    assert code == 1013
    assert active == 4
    eventually(lambda: server.memory()["streams"]["active"] == 0)


def test_streams_share_the_workers(server: RunningServer) -> None:
    eventually(lambda: server.memory()["streams"]["active"] == 0)
    with ExitStack() as stack:
        streams = [stack.enter_context(open_stream(server)) for _ in range(3)]

        for _ in range(4):
            for one in streams:
                one.send(thumb())
            results = [receive(one) for one in streams]

    assert [(result["type"], result["seq"]) for result in results] == [("result", 4)] * 3


def test_clients_that_vanish_leave_nothing(server: RunningServer) -> None:
    eventually(lambda: server.memory()["streams"]["active"] == 0)
    for number in range(12):
        with suppress(ConnectionClosed), open_stream(server) as stream:
            for _ in range(number % 4):
                stream.send(thumb())
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            stream.close_socket()
        eventually(lambda: server.memory()["streams"]["active"] == 0)

    eventually(lambda: server.at_work() == [])


def test_a_stream_without_messages_is_closed(tmp_path: Path) -> None:
    with run_server(tmp_path, {"VISION__STREAM_IDLE_SECONDS": "0.3"}) as server, open_stream(server) as stream:
        assert close_code(stream) == 4408
        eventually(lambda: server.memory()["streams"]["active"] == 0)


def test_streams_are_told_to_reconnect_when_the_service_ends(tmp_path: Path) -> None:
    with run_server(tmp_path) as server, open_stream(server) as idle, open_stream(server) as busy:
        busy.send(thumb())

        server.stop()

        assert [close_code(idle), close_code(busy)] == [1012, 1012]


def test_a_stream_whose_model_and_tracker_die_goes_on(server: RunningServer, stream: ClientConnection) -> None:
    stream.send(thumb())
    receive(stream)
    eventually(lambda: len(server.children()) == 2)
    for pid in server.children():
        os.kill(pid, signal.SIGKILL)

    stream.send(thumb())

    assert receive(stream)["type"] == "result"


def test_a_stream_of_a_missing_model_says_so(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with run_server(tmp_path, {"MODELS__DIR": str(tmp_path / "models")}) as server, open_stream(server) as stream:
        stream.send(thumb())

        error = receive(stream)

        assert (error["type"], error["code"], error["seq"]) == ("error", "model_missing", 1)
