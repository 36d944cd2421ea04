"""What is counted of requests: bounded, whatever clients send, and complete from the start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from app.server.access import AccessLog
from app.server.traffic import CLIENT_GONE, Mark, Traffic


@dataclass
class Inlet:
    unread: bytes = b""


@dataclass
class Peer:
    """A connection that has carried so much."""

    received_bytes: int = 0
    sent_bytes: int = 0
    inlet: Inlet = field(default_factory=Inlet)


def endpoint() -> None:
    """What answers."""


def request(method: str = "GET", path: str = "/v1/media", known: bool = True) -> dict[str, Any]:
    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "client": ("127.0.0.1", 5)}
    return {**scope, "endpoint": endpoint} if known else scope


def series(traffic: Traffic) -> dict[tuple[str, str, str], int]:
    return {
        (route.route, route.method, status): count
        for route in traffic.routes
        for status, count in route.statuses.items()
    }


def listening() -> Traffic:
    traffic = Traffic()
    traffic.expect(endpoint, "/v1/media", "GET", {200, 404})
    return traffic


def test_a_request_counts_for_its_route_its_method_and_its_status() -> None:
    traffic = listening()

    traffic.answered(request(), 200, Mark(Peer()))

    assert series(traffic)["/v1/media", "GET", "200"] == 1
    assert sum(series(traffic).values()) == 1
    assert [route.seconds.count for route in traffic.routes if route.route == "/v1/media"] == [1]


def test_no_request_makes_a_new_series() -> None:
    traffic = listening()
    before = series(traffic).keys()

    for scope, status in (
        (request(), 418),
        (request(known=False, path="/a"), 404),
        (request(known=False, path="/b", method="BREW"), 405),
        (request(method="PUT"), 599),
    ):
        traffic.answered(scope, status, Mark(Peer()))

    after = series(traffic)
    assert after.keys() == before
    assert after["/v1/media", "GET", "4xx"] == 1
    assert (after["other", "other", "404"], after["other", "other", "405"], after["other", "other", "5xx"]) == (1, 1, 1)


def test_a_client_that_went_before_an_answer_has_a_status_of_its_own() -> None:
    traffic = listening()

    traffic.answered(request(), 0, Mark(Peer()))

    assert series(traffic)["/v1/media", "GET", str(CLIENT_GONE)] == 1


def test_bytes_are_counted_while_a_connection_lasts_and_afterwards() -> None:
    @dataclass
    class Front:
        connections: list[Peer]
        refused: dict[str, int]

        def states(self) -> dict[str, int]:
            return {"idle": len(self.connections)}

    traffic, peer = Traffic(), Peer(100, 1000)
    traffic.fronts += [Front([peer], {"cap": 2}), Front([], {"cap": 1, "memory": 4})]

    assert (traffic.received_bytes, traffic.sent_bytes) == (100, 1000)
    traffic.left(peer)
    traffic.left(peer)

    assert (traffic.received_bytes, traffic.sent_bytes) == (100, 1000)
    assert traffic.refused() == {"cap": 3, "memory": 4, "overflow": 0}
    assert traffic.states() == {"request": 0, "websocket": 0, "idle": 1, "waiting": 0}


def test_the_access_log_has_the_bytes_of_the_body_and_no_query(caplog: Any) -> None:
    caplog.set_level("INFO")
    traffic = Traffic(AccessLog())
    traffic.expect(endpoint, "/v1/media/{media_id}", "POST", {201})
    peer = Peer(received_bytes=150, sent_bytes=10, inlet=Inlet(b"x" * 30))  # a head of 120, and the body's beginning
    mark = Mark(peer)
    peer.received_bytes, peer.sent_bytes, peer.inlet = 250, 60, Inlet(b"next")

    scope = {**request("POST", "/v1/media/17"), "query_string": b"key=secret"}
    traffic.answered(scope, 201, mark)

    (line,) = caplog.records
    members = vars(line)
    assert line.message == "POST /v1/media/17 201"
    assert (members["route"], members["status"], members["client"]) == ("/v1/media/{media_id}", 201, "127.0.0.1")
    assert (members["receivedBytes"], members["sentBytes"]) == (126, 50)
    assert members["seconds"] >= 0
    assert "secret" not in str(members)
