"""Who may ask: keys, Host names, Origins, the probe listener."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import websockets
from websockets.sync.client import connect

from tests.e2e.server import RunningServer, problem_of, run_server
from tests.samples import png
from tests.serving import exchange

KEYS = ("first-key-3f9a", "second-key-77c1")
LISTED = ("http://localhost:5173", "null", "app://ballast")
FOREIGN = "https://evil.example"
REFUSED_HANDSHAKE = "ASGI callable returned without completing handshake"
EXPOSED = {"location", "etag", "retry-after", "x-request-id", "ballast-memory", "upload-offset", "tus-resumable"}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {
        "SERVER__API_KEYS": ",".join(KEYS),
        "SERVER__PROBE_PORT": "0",
        "SERVER__ORIGINS": LISTED[0],
        "LOG__LEVEL": "debug",
    }
    with run_server(tmp_path_factory.mktemp("keyed"), settings, secrets=(*KEYS, "wrong-key-ab12")) as server:
        server.expect_in_log(REFUSED_HANDSHAKE)
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {"SERVER__ORIGINS": ",".join(LISTED)}
    with run_server(tmp_path_factory.mktemp("open"), settings) as server:
        server.expect_in_log(REFUSED_HANDSHAKE)
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture
def stranger(keyed: RunningServer) -> Iterator[httpx.Client]:
    """A client without a key."""
    with keyed.client() as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def refusal(url: str, **options: Any) -> tuple[int, bytes]:
    """Return status and body with which a WebSocket is refused before it is accepted."""
    with pytest.raises(websockets.exceptions.InvalidStatus) as caught, connect(url, **options):
        pass
    response = caught.value.response
    return response.status_code, bytes(response.body or b"")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_every_key_opens(stranger: httpx.Client, key: str, scheme: str) -> None:
    answer = stranger.get("/v1/limits", headers={"Authorization": f"{scheme} {key}"})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        bearer("wrong-key-ab12"),
        bearer(KEYS[0] + "x"),
        bearer(KEYS[0][:-1]),
        bearer(",".join(KEYS)),
        {"Authorization": f"Basic {KEYS[0]}"},
        {"Authorization": KEYS[0]},
        {"X-Api-Key": KEYS[0]},
    ],
)
@pytest.mark.parametrize("path", ["/v1/limits", "/v1/vision", "/v1/media", "/openapi.json", "/nothing"])
def test_without_the_right_key_nothing_opens(stranger: httpx.Client, headers: dict[str, str], path: str) -> None:
    answer = stranger.get(path, headers=headers)

    problem_of(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_in_the_query_opens_no_http(stranger: httpx.Client) -> None:
    answer = stranger.get("/v1/limits", params={"key": KEYS[0]})

    problem_of(answer, 401, "unauthorized")


def test_a_body_without_a_key_is_refused_before_it_is_read(keyed: RunningServer) -> None:
    head = b"POST /v1/media HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"

    status, _ = exchange(keyed.port, head)

    assert status == 401


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/health/startup"])
def test_health_needs_no_key(stranger: httpx.Client, path: str) -> None:
    assert stranger.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/metrics", "/metrics/memory"])
def test_metrics_need_a_key_where_keys_are_set_on_loopback_too(stranger: httpx.Client, path: str) -> None:
    problem_of(stranger.get(path), 401, "unauthorized")
    assert stranger.get(path, headers=bearer(KEYS[1])).status_code == 200


@pytest.mark.parametrize("path", ["/metrics", "/metrics/memory"])
def test_metrics_need_no_key_where_none_are_set(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 403), ("/static/js/page.js", 403), ("/static/none", 403), ("/health/live", 200), ("/health/ready", 200)],
)
def test_under_a_foreign_name_nothing_but_health_is_open_where_keys_are_set(
    stranger: httpx.Client, path: str, status: int
) -> None:
    assert stranger.get(path, headers={"Host": "evil.example"}).status_code == status


def test_whoever_has_a_key_may_call_us_by_any_name(stranger: httpx.Client) -> None:
    answer = stranger.get("/v1/limits", headers={"Host": "media.example.org", **bearer(KEYS[0])})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path", ["/health/../v1/limits", "/health/%2e%2e/v1/limits", "//v1/limits", "/v1/limits/", "/V1/limits"]
)
def test_no_other_way_to_write_a_path_gets_round_the_key(keyed: RunningServer, path: str) -> None:
    status, body = exchange(keyed.port, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    assert status in (401, 404)
    assert b"BALLAST_" not in body


def test_the_settings_do_not_tell_the_keys(stranger: httpx.Client) -> None:
    answer = stranger.get("/v1/limits", headers=bearer(KEYS[0]))

    assert "2 set" in answer.text
    assert not [key for key in KEYS if key in answer.text]


def test_the_probe_port_answers_probes_only(keyed: RunningServer) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{keyed.probe_port}") as probe:
        open_paths = [probe.get(path).status_code for path in ("/health/live", "/health/ready", "/metrics/memory")]
        closed = [probe.get(path, headers=bearer(KEYS[0])) for path in ("/v1/limits", "/v1/media", "/", "/docs")]

    assert open_paths == [200, 200, 200]
    for answer in closed:
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_the_probe_port_makes_no_websockets(keyed: RunningServer) -> None:
    status, _ = refusal(f"ws://127.0.0.1:{keyed.probe_port}/v1/vision/hands/stream?key={KEYS[0]}")

    assert status in (403, 404)


def test_the_probe_port_takes_any_host_name(keyed: RunningServer) -> None:
    answer = httpx.get(f"http://127.0.0.1:{keyed.probe_port}/health/live", headers={"Host": "10.0.0.7:9000"})

    assert answer.status_code == 200


@pytest.mark.parametrize("query", ["", "?key=", "?key=wrong-key-ab12"])
def test_a_websocket_without_the_right_key_is_refused(keyed: RunningServer, query: str) -> None:
    status, body = refusal(f"{keyed.websocket_url}/v1/vision/hands/stream{query}")

    assert status == 401
    assert b'"unauthorized"' in body


@pytest.mark.parametrize("key", KEYS)
def test_a_websocket_takes_its_key_from_the_query_or_the_header(keyed: RunningServer, key: str) -> None:
    address = f"{keyed.websocket_url}/v1/vision/hands/stream"

    with connect(f"{address}?key={key}") as one, connect(address, additional_headers=bearer(key)) as other:
        greetings = [one.recv(timeout=5), other.recv(timeout=5)]

    assert all('"ready"' in str(greeting) for greeting in greetings)


def test_with_keys_any_host_name_is_answered(stranger: httpx.Client) -> None:
    answer = stranger.get("/v1/limits", headers={**bearer(KEYS[0]), "Host": "media.example.org"})

    assert answer.status_code == 200


def test_a_page_of_a_listed_origin_can_read_why_its_key_is_refused(stranger: httpx.Client) -> None:
    answer = stranger.get("/v1/limits", headers={"Origin": LISTED[0]})

    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == LISTED[0]


def test_a_preflight_needs_no_key(stranger: httpx.Client) -> None:
    """Browsers send none with it (Fetch standard, CORS-preflight fetch)."""
    answer = stranger.options("/v1/media", headers={"Origin": LISTED[0], "Access-Control-Request-Method": "POST"})

    assert answer.status_code == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST", "localhost:1234", "127.0.0.1:80"])
def test_loopback_names_are_answered(client: httpx.Client, host: str) -> None:
    assert client.get("/v1/limits", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.nip.io", "localhost@evil.example",
        "192.168.1.2", "", "[::2]", "127.0.0.1,evil.example",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/limits", "/metrics/memory", "/"])
def test_a_foreign_host_name_is_refused(client: httpx.Client, host: str, path: str) -> None:
    """A page whose name is bound to 127.0.0.1 after it was loaded (DNS rebinding) still sends its own name."""
    answer = client.get(path, headers={"Host": host})

    problem_of(answer, 403, "forbidden")


def test_health_is_answered_under_any_name(client: httpx.Client) -> None:
    assert client.get("/health/live", headers={"Host": "pod-17.cluster.local"}).status_code == 200


def test_a_websocket_of_a_foreign_host_name_is_refused(server: RunningServer) -> None:
    status, body = refusal(
        f"ws://evil.example:{server.port}/v1/vision/hands/stream", sock=server.connect(), proxy=None
    )  # fmt: skip

    assert status == 403
    assert b'"forbidden"' in body


@pytest.mark.parametrize(
    "origin", [FOREIGN, "null ", "http://localhost", "http://localhost:9", "file://", "", "http://["]
)
def test_a_foreign_origin_is_refused_before_any_work(server: RunningServer, origin: str) -> None:
    head = f"POST /v1/media HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}x\r\nContent-Length: 1000000\r\n\r\n"

    status, body = exchange(server.port, head.encode())

    assert status == 403
    assert b'"forbidden"' in body


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_no_method_that_changes_something_takes_a_foreign_origin(client: httpx.Client, method: str) -> None:
    item = client.post("/v1/media", content=png()).json()

    answer = client.request(method, f"/v1/media/{item['id']}", headers={"Origin": FOREIGN})

    problem_of(answer, 403, "forbidden")
    assert client.delete(f"/v1/media/{item['id']}").status_code == 204


def test_our_own_origin_is_taken(client: httpx.Client, server: RunningServer) -> None:
    answer = client.post("/v1/media", content=png(), headers={"Origin": server.url})

    assert answer.status_code == 201


@pytest.mark.parametrize("origin", LISTED)
def test_a_listed_origin_is_taken_and_may_read_the_answer(client: httpx.Client, origin: str) -> None:
    answer = client.post("/v1/media", content=png(), headers={"Origin": origin})

    exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert answer.status_code == 201
    assert answer.headers["access-control-allow-origin"] == origin
    assert "access-control-allow-credentials" not in answer.headers
    assert exposed >= EXPOSED


@pytest.mark.parametrize("origin", LISTED)
def test_a_listed_origin_may_read_problems_too(client: httpx.Client, origin: str) -> None:
    answers = [
        client.post("/v1/media", content=b"text", headers={"Origin": origin}),
        client.get("/v1/media/none", headers={"Origin": origin}),
        client.get("/v1/nothing", headers={"Origin": origin}),
    ]

    assert [answer.status_code for answer in answers] == [415, 404, 404]
    assert all(answer.headers["access-control-allow-origin"] == origin for answer in answers)


def test_a_foreign_page_may_not_read_what_it_gets(client: httpx.Client) -> None:
    answer = client.get("/v1/limits", headers={"Origin": FOREIGN})

    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "HEAD"])
def test_a_preflight_of_a_listed_origin_is_granted(client: httpx.Client, method: str) -> None:
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "content-type, x-request-id"}

    answer = client.options("/v1/media", headers={"Origin": LISTED[0], **asked})

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == LISTED[0]
    assert method in answer.headers["access-control-allow-methods"]
    assert "x-request-id" in answer.headers["access-control-allow-headers"].lower()


def test_a_preflight_of_a_foreign_origin_is_refused(client: httpx.Client) -> None:
    answer = client.options("/v1/media", headers={"Origin": FOREIGN, "Access-Control-Request-Method": "POST"})

    problem_of(answer, 403, "forbidden")


@pytest.mark.parametrize("origin", [FOREIGN, "http://localhost", "file://"])
def test_a_websocket_of_a_foreign_origin_is_refused_before_it_is_accepted(server: RunningServer, origin: str) -> None:
    status, body = refusal(f"{server.websocket_url}/v1/vision/hands/stream", origin=origin)

    assert status == 403
    assert b'"forbidden"' in body


@pytest.mark.parametrize("origin", [*LISTED, None, "own"])
def test_a_websocket_of_a_listed_origin_or_our_own_is_accepted(server: RunningServer, origin: str | None) -> None:
    sent = {} if origin is None else {"Origin": server.url if origin == "own" else origin}

    with connect(f"{server.websocket_url}/v1/vision/hands/stream", additional_headers=sent) as stream:
        greeting = stream.recv(timeout=5)

    assert '"ready"' in str(greeting)


def test_a_websocket_elsewhere_is_refused(server: RunningServer) -> None:
    known = [refusal(f"{server.websocket_url}{path}")[0] for path in ("/v1/vision/toes/stream", "/v1/media", "/")]

    assert known[0] == 404
    assert set(known[1:]) <= {403, 404}


def test_a_refused_websocket_is_no_error_of_ours(server: RunningServer) -> None:
    """Whoever is refused could fill the log with errors otherwise."""
    before = len(server.log_lines())

    refusal(f"{server.websocket_url}/v1/vision/hands/stream", origin=FOREIGN)
    refusal(f"{server.websocket_url}/v1/vision/toes/stream")

    assert [line for line in server.log_lines()[before:] if line["level"] == "error"] == []
