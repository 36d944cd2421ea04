"""Pure ASGI middleware: request ids, the last error boundary, and who may ask."""

from __future__ import annotations

import asyncio
import hmac
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from app import log
from app.errors import BallastError, Forbidden, NotFound, Overloaded, Unauthorized
from app.http.problems import problem_response, unexpected
from app.http.refusals import RefusalLog
from app.server.access import REQUEST_ID_KEY
from app.server.probes import is_probe
from app.settings import ServerSettings

CLIENT_KEY = "ballast.client"
"""Where the scope says which key a request came with (its number, not the key)."""

EXPIRES_KEY = "ballast.expires"
"""Where the scope of a request with a signed URL says when that expires (seconds since 1970)."""

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class _Signer(Protocol):
    def check(self, path: str, parameters: Sequence[tuple[str, str]]) -> int:
        """Return when the URL expires; raise Forbidden where its signature is not ours, or it has."""


class _Signing(Protocol):
    """What the guard uses of the media room; the signer is None where URLs are not signed."""

    @property
    def signer(self) -> _Signer | None: ...


class RequestContext:
    """Gives each request an id, and turns what no route caught into a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._refusals = RefusalLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        sent_id = Headers(scope=scope).get("x-request-id", "")
        request_id = sent_id if _SANE_ID.fullmatch(sent_id) else uuid.uuid4().hex
        token = log.request_id.set(request_id)
        scope[REQUEST_ID_KEY] = request_id
        answer = _Answer(send, request_id, scope, self._refusals)
        try:
            await self._app(scope, receive, answer.send)
        except (ClientDisconnect, WebSocketDisconnect):
            pass  # nobody is left to be answered
        except asyncio.CancelledError:
            # The client has gone, or the server shuts down: without an answer of ours it would give one without an id.
            if not answer.started:
                await answer.fail(Overloaded("The service is shutting down."), scope, receive)
            raise
        except Exception as error:
            known = error if isinstance(error, BallastError) else unexpected(error)
            await answer.fail(known, scope, receive)
        finally:
            log.request_id.reset(token)


class _Answer:
    """One response: adds the request id, and knows whether it has started."""

    def __init__(self, send: Send, request_id: str, scope: Scope, refusals: RefusalLog) -> None:
        self._send = send
        self._request_id = request_id
        self._scope = scope
        self._refusals = refusals
        self._is_refusal = False
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
            self.started = True
            self._is_refusal = self._refusals.wants(message)
            MutableHeaders(scope=message)["X-Request-Id"] = self._request_id
        elif self._is_refusal:
            self._is_refusal = False
            self._refusals.tell(self._scope, message.get("body", b""))
        elif message["type"] == "websocket.close" and not self.started:
            raise NotFound("There is no such stream.")  # so says Starlette; the server's 403 would have no id
        await self._send(message)

    async def fail(self, error: BallastError, scope: Scope, receive: Receive) -> None:
        """Answer with a problem, or where the answer has started, break it off, so that nobody takes it for whole.

        Raises:
            BallastError: `error` itself, where the answer has started (the server then cuts the connection).
        """
        if scope["type"] == "websocket":
            await self._refuse_websocket(error, scope, receive)
        elif self.started:
            raise error
        else:
            await problem_response(error)(scope, receive, self.send)

    async def _refuse_websocket(self, error: BallastError, scope: Scope, receive: Receive) -> None:
        if self.started:
            await self._send({"type": "websocket.close", "code": 1011, "reason": error.code})
        else:
            await problem_response(error)(scope, receive, self.send)


@dataclass(frozen=True, slots=True)
class OpenDoors:
    """What is answered without a key where keys are set: these paths, paths with these prefixes, and probes."""

    prefixes: tuple[str, ...] = ()
    paths: frozenset[str] = frozenset()

    def are_open_to(self, scope: Scope) -> bool:
        path = scope["path"]
        return is_probe(scope) or path in self.paths or path.startswith(self.prefixes)


class OriginGuard:
    """Refuses foreign Hosts (DNS rebinding) and foreign Origins (cross-site requests) before any work.

    A page whose name was bound to our address after it was loaded is of our origin for the browser, but still sends its
    own name as Host. The name counts wherever nothing else is asked for: a key, or a signature, no such page has.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings, doors: OpenDoors) -> None:
        self._app = app
        self._has_keys = bool(settings.api_keys)
        self._doors = doors
        self._hosts = frozenset(host.lower() for host in settings.hosts)
        self._origins = frozenset(settings.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and not is_probe(scope):
            headers = Headers(scope=scope)
            if not self._has_keys or self._doors.are_open_to(scope):
                self._check_host(headers)
            self._check_origin(scope, headers)
        await self._app(scope, receive, send)

    def _check_host(self, headers: Headers) -> None:
        if _host_name(headers.get("host", "")) not in self._hosts:
            raise Forbidden("This Host name is not answered. BALLAST_SERVER__HOSTS lists those that are.")

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        origin = headers.get("origin")
        if origin is None or origin in self._origins or _is_own(origin, headers.get("host", "")):
            return
        asks_first = scope.get("method") == "OPTIONS" and "access-control-request-method" in headers
        if scope["type"] == "websocket" or asks_first or scope["method"] not in _SAFE_METHODS:
            raise Forbidden("This Origin is not allowed. BALLAST_SERVER__ORIGINS lists those that are.")


class KeyGuard:
    """Asks for a key where keys are set, except at the open doors."""

    def __init__(self, app: ASGIApp, settings: ServerSettings, doors: OpenDoors) -> None:
        self._app = app
        self._keys = tuple(key.encode() for key in settings.api_keys)
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._keys and scope["type"] in ("http", "websocket") and not self._doors.are_open_to(scope):
            try:
                self._check(scope)
            except BallastError as error:
                # Answered here, inside the CORS layer, so that a page of a listed origin sees why.
                await problem_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)  # as Starlette reads it
        is_signed = any(name == "sig" for name, _ in query) and "authorization" not in Headers(scope=scope)
        if is_signed and scope.get("method") in ("GET", "HEAD"):
            _check_signature(scope, query)
        else:
            self._check_key(scope, query)

    def _check_key(self, scope: Scope, query: list[tuple[str, str]]) -> None:
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            key = ""
        given = key.strip().encode("latin-1")  # the bytes as they were sent
        if not key and scope["type"] == "websocket":
            given = next((value for name, value in query if name == "key"), "").encode()
        # Every key is compared, in constant time, so that the time tells nothing about which one came close.
        matches = [hmac.compare_digest(given, known) for known in self._keys]
        if True not in matches:
            raise Unauthorized("Send one of the configured keys as `Authorization: Bearer <key>`.")
        scope[CLIENT_KEY] = f"key:{matches.index(True)}"


def _check_signature(scope: Scope, query: list[tuple[str, str]]) -> None:
    media: _Signing = scope["state"]["media"]
    if media.signer is None:
        raise Forbidden("Signed URLs are not in use.")
    scope[EXPIRES_KEY] = media.signer.check(scope["path"], query)


def _host_name(host: str) -> str:
    """Return a Host header without its port, in lower case; IPv6 literals keep their brackets."""
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _is_own(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host) and parts.netloc.lower() == host.strip().lower()
