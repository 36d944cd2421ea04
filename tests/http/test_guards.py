"""The layers around every request, with an application that only says that it was reached."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import Message, Receive, Scope, Send

from app import log
from app.errors import BallastError, Forbidden, InvalidMedia, Unauthorized
from app.http.guards import KeyGuard, OpenDoors, OriginGuard, RequestContext
from app.http.state import client_of
from app.server.probes import ProbesOnly
from app.settings import ServerSettings


class Reached:
    """The application behind a layer; `ids` are the request ids that it saw."""

    def __init__(self, error: BaseException | None = None, *, starts: bool = False) -> None:
        self.scopes: list[Scope] = []
        self.ids: list[str | None] = []
        self._error = error
        self._starts = starts or error is None

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        self.ids.append(log.request_id.get())
        if self._starts:
            await send(_start(scope))
        if self._error is not None:
            raise self._error
        if scope["type"] == "http":
            await send({"type": "http.response.body", "body": b"reached"})


def _start(scope: Scope) -> Message:
    if scope["type"] == "websocket":
        return {"type": "websocket.accept", "headers": []}
    return {"type": "http.response.start", "status": 200, "headers": []}


def scope_of(
    kind: str = "http", method: str = "GET", path: str = "/v1/limits", query: str = "", **headers: str
) -> Scope:
    """Return a request; header names with `_` for `-`."""
    listed = {"host": "localhost"} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope: Scope = {
        "type": kind,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in listed.items()],
        "extensions": {"websocket.http.response": {}},
    }
    if kind == "http":
        scope["method"] = method
    return scope


async def call(app: Callable[..., Any], scope: Scope) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("nothing is read here")

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def headers_of(message: Message) -> dict[str, str]:
    return {name.decode().lower(): value.decode() for name, value in message["headers"]}


async def by_the_probe_listener(scope: Scope) -> Scope:
    """Return the scope as the application behind that listener sees it."""
    behind = Reached()
    await call(ProbesOnly(behind), scope)
    return behind.scopes[0]


# RequestContext


@given(st.from_regex(r"[A-Za-z0-9._-]{1,128}", fullmatch=True))
async def test_a_sane_id_is_taken_over(name: str) -> None:
    reached = Reached()

    (start, _) = await call(RequestContext(reached), scope_of(x_request_id=name))

    assert headers_of(start)["x-request-id"] == name
    assert reached.ids == [name]


@pytest.mark.parametrize("name", ["", "a b", "a\n", "é", "x" * 129, "<script>", '"', "a,b"])
async def test_any_other_id_is_replaced(name: str) -> None:
    (start, _) = await call(RequestContext(Reached()), scope_of(x_request_id=name))

    assert len(headers_of(start)["x-request-id"]) == 32


async def test_ids_differ_and_end_with_their_request() -> None:
    reached = Reached()
    for _ in range(3):
        await call(RequestContext(reached), scope_of())

    assert len(set(reached.ids)) == 3
    assert log.request_id.get() is None


async def test_a_known_error_before_the_answer_is_a_problem() -> None:
    (start, body) = await call(RequestContext(Reached(InvalidMedia("It is broken."))), scope_of())

    assert start["status"] == 422
    assert headers_of(start)["content-type"] == "application/problem+json"
    assert headers_of(start)["x-request-id"]
    assert b'"invalid_media"' in body["body"]


async def test_an_unknown_error_is_logged_and_its_message_is_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        (start, body) = await call(RequestContext(Reached(RuntimeError("a secret"))), scope_of())

    assert start["status"] == 500
    assert b"secret" not in body["body"]
    assert "a secret" in caplog.text


async def test_an_error_within_the_answer_breaks_the_connection() -> None:
    with pytest.raises(BallastError):
        await call(RequestContext(Reached(InvalidMedia("late"), starts=True)), scope_of())


async def test_a_client_that_is_gone_is_not_answered() -> None:
    assert await call(RequestContext(Reached(ClientDisconnect())), scope_of()) == []


async def test_a_websocket_is_refused_with_a_problem() -> None:
    sent = await call(RequestContext(Reached(Forbidden("No."))), scope_of("websocket"))

    assert [message["type"] for message in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert sent[0]["status"] == 403


async def test_an_open_websocket_is_closed_with_the_code_of_the_error() -> None:
    sent = await call(RequestContext(Reached(InvalidMedia("late"), starts=True)), scope_of("websocket"))

    assert sent[-1] == {"type": "websocket.close", "code": 1011, "reason": "invalid_media"}


async def test_a_websocket_that_no_route_takes_is_not_found() -> None:
    async def close(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close", "code": 1000, "reason": ""})  # as Starlette's router does

    (start, _) = await call(RequestContext(close), scope_of("websocket"))

    assert (start["type"], start["status"]) == ("websocket.http.response.start", 404)
    assert headers_of(start)["x-request-id"]


async def test_a_request_that_is_cancelled_is_answered_first() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def never() -> Message:
        raise AssertionError("nothing is read here")

    with pytest.raises(asyncio.CancelledError):
        await RequestContext(Reached(asyncio.CancelledError()))(scope_of(), never, send)
    assert sent[0]["status"] == 503
    assert headers_of(sent[0])["x-request-id"]


async def test_an_answer_that_is_cancelled_is_left_as_it_is() -> None:
    with pytest.raises(asyncio.CancelledError):
        await call(RequestContext(Reached(asyncio.CancelledError(), starts=True)), scope_of())


async def test_a_lifespan_passes_through() -> None:
    reached = Reached()

    await call(RequestContext(reached), {"type": "lifespan"})

    assert len(reached.scopes) == 1


# OriginGuard


async def passes(layer: Callable[..., Any], scope: Scope, reached: Reached) -> bool:
    """Whether a request gets through; refused it is by an error, or by an answer of the layer's own."""
    try:
        await call(layer, scope)
    except (Forbidden, Unauthorized):
        assert reached.scopes == []
        return False
    return bool(reached.scopes)


DOORS = OpenDoors(("/static/",), frozenset({"/"}))


async def origin_passes(scope: Scope, **settings: Any) -> bool:
    reached = Reached()
    return await passes(OriginGuard(reached, ServerSettings(**settings), DOORS), scope, reached)


@pytest.mark.parametrize("host", ["localhost", "LocalHost:8000", "127.0.0.1:80", "[::1]", "[::1]:8000", " localhost "])
async def test_our_own_names_are_answered(host: str) -> None:
    assert await origin_passes(scope_of(host=host))


@pytest.mark.parametrize(
    "host", ["", "evil", "localhost.evil", "evil:localhost", "[::2]", "::1", "127.0.0.1@evil", "@localhost"]
)
async def test_other_names_are_refused(host: str) -> None:
    assert not await origin_passes(scope_of(host=host))


async def test_with_keys_any_name_is_answered_where_a_key_is_asked_for() -> None:
    assert await origin_passes(scope_of(host="media.example"), api_keys="k")
    assert await origin_passes(scope_of(host="media.example", path="/metrics/memory"), api_keys="k")


@pytest.mark.parametrize("path", ["/", "/static/js/page.js"])
async def test_with_keys_what_needs_none_is_answered_under_our_names_only(path: str) -> None:
    assert not await origin_passes(scope_of(host="evil.example", path=path), api_keys="k")
    assert not await origin_passes(scope_of(host="", path=path), api_keys="k")
    assert await origin_passes(scope_of(host="localhost:8000", path=path), api_keys="k")
    assert await origin_passes(scope_of(host="media.example", path=path), api_keys="k", hosts="media.example")


@pytest.mark.parametrize("keys", ["", "k"])
async def test_health_is_answered_under_any_name_with_keys_or_without(keys: str) -> None:
    assert await origin_passes(scope_of(host="10.0.0.7", path="/health/ready"), api_keys=keys)


async def test_health_and_the_probe_listener_are_answered_under_any_name() -> None:
    assert await origin_passes(scope_of(host="10.0.0.7", path="/health/live"))
    assert await origin_passes(await by_the_probe_listener(scope_of(host="10.0.0.7", path="/metrics")))


@pytest.mark.parametrize("path", ["/healthy", "/health", "/v1/health/live", "/metrics"])
async def test_nothing_else_is(path: str) -> None:
    assert not await origin_passes(scope_of(host="10.0.0.7", path=path))


FOREIGN = ["http://evil", "http://localhost:1", "null", "file://", "", "x", "http://", "app://x"]


@pytest.mark.parametrize("origin", [*FOREIGN, "http://[", "http://[::1", "http://a]b", "http://\xe9", "//localhost:80"])
@pytest.mark.parametrize("kind", ["POST", "DELETE", "PATCH", "websocket"])
async def test_a_foreign_origin_changes_nothing(origin: str, kind: str) -> None:
    scope = scope_of("websocket", origin=origin) if kind == "websocket" else scope_of(method=kind, origin=origin)

    assert not await origin_passes(scope)


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_foreign_origin_may_get(origin: str) -> None:
    """It cannot read the answer: no CORS header allows it."""
    assert await origin_passes(scope_of(method="GET", origin=origin))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8000", "localhost:8000"),
        ("HTTP://LocalHost", "localhost"),
        ("http://[::1]:8", "[::1]:8"),
        ("https://localhost", "localhost"),  # behind a proxy that ends TLS
    ],
)
async def test_our_own_origin_may_post(origin: str, host: str) -> None:
    assert await origin_passes(scope_of(method="POST", origin=origin, host=host))


@pytest.mark.parametrize("origin", ["null", "app://x", "http://localhost:5173"])
async def test_a_listed_origin_may_post_and_stream(origin: str) -> None:
    listed = "null, app://x,http://localhost:5173"

    assert await origin_passes(scope_of(method="POST", origin=origin), origins=listed)
    assert await origin_passes(scope_of("websocket", origin=origin), origins=listed)


async def test_no_origin_is_no_browser() -> None:
    assert await origin_passes(scope_of(method="POST"))
    assert await origin_passes(scope_of("websocket"))


async def test_a_preflight_of_a_foreign_origin_is_refused() -> None:
    asked = scope_of(method="OPTIONS", origin="http://evil", access_control_request_method="POST")

    assert not await origin_passes(asked)


# KeyGuard

KEYS = "first, second"


async def key_passes(scope: Scope, keys: str = KEYS, doors: OpenDoors = DOORS) -> bool:
    reached = Reached()
    return await passes(KeyGuard(reached, ServerSettings(api_keys=keys), doors), scope, reached)


async def client_with(**headers: str) -> str:
    """Return whom the ledger knows a request with these headers as."""
    reached = Reached()
    scope = {**scope_of(**headers), "client": ("192.0.2.7", 1234)}
    await call(KeyGuard(reached, ServerSettings(api_keys=KEYS), DOORS), scope)
    return await client_of(HTTPConnection(reached.scopes[0]))


@pytest.mark.parametrize("field", ["Bearer second", "bearer second", "BEARER  second ", "bEARER second"])
async def test_a_client_is_its_key_however_that_is_spelled(field: str) -> None:
    assert await client_with(authorization=field) == "key:1"


async def test_a_client_with_a_key_that_is_not_asked_for_is_its_address() -> None:
    scope = {**scope_of(path="/", authorization="Bearer anything"), "client": ("192.0.2.7", 1234)}
    reached = Reached()

    await call(KeyGuard(reached, ServerSettings(api_keys=KEYS), DOORS), scope)
    await call(KeyGuard(reached, ServerSettings(), DOORS), scope)

    assert [await client_of(HTTPConnection(one)) for one in reached.scopes] == ["192.0.2.7", "192.0.2.7"]


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:0:1::7", "2001:db8:0:1::/64"),
        ("2001:DB8::1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
async def test_an_address_is_one_client_however_it_is_spelled(host: str, client: str) -> None:
    assert await client_of(HTTPConnection({**scope_of(), "client": (host, 1)})) == client


@pytest.mark.parametrize("field", ["Bearer first", "bearer second", "Bearer  first ", "BEARER first"])
async def test_each_key_opens(field: str) -> None:
    assert await key_passes(scope_of(authorization=field))


@pytest.mark.parametrize(
    "field",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer third",
        "Bearer first,second",
        "Bearer firs",
        "Basic first",
        "first",
        "Bearer \xe9",
    ],
)
async def test_nothing_else_opens(field: str) -> None:
    assert not await key_passes(scope_of(authorization=field))


async def test_without_keys_everything_is_open() -> None:
    assert await key_passes(scope_of(), keys="")


async def test_an_empty_string_is_never_a_key() -> None:
    assert not await key_passes(scope_of(authorization="Bearer "), keys="first,,")


async def test_a_key_beyond_ascii_opens_as_utf_8() -> None:
    sent = "Bearer schlüssel".encode().decode("latin-1")

    assert await key_passes(scope_of(authorization=sent), keys="schlüssel")


async def test_only_a_websocket_may_have_its_key_in_the_query() -> None:
    assert await key_passes(scope_of("websocket", query="key=first"))
    assert await key_passes(scope_of("websocket", query="maxFps=5&key=second"))
    assert not await key_passes(scope_of("websocket", query="key=third"))
    assert not await key_passes(scope_of(query="key=first"))


@given(st.binary(max_size=60))
async def test_no_query_breaks_it(query: bytes) -> None:
    scope = scope_of("websocket")
    scope["query_string"] = query

    assert not await key_passes(scope, keys="a-key-that-is-not-guessed")


async def test_open_paths_need_no_key() -> None:
    assert await key_passes(scope_of(path="/health/ready"))
    assert await key_passes(scope_of(path="/"))
    assert await key_passes(scope_of(path="/static/x.js"))
    assert await key_passes(await by_the_probe_listener(scope_of(path="/metrics/memory")))
    assert not await key_passes(scope_of(path="/metrics/memory"))
