"""What clients of this service send: requests and streams of browsers, curl, tus clients and the kit, byte for byte."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass

from tests.media_files import photo
from tests.samples import form, mp4, png
from tests.stress.attacks.frame_attacks import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from tests.stress.attacks.wire import Target, frame, handshake

_BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Origin: http://localhost",
    "Cookie: theme=dark; session=0123456789abcdef",
)
_CURL = ("User-Agent: curl/8.14.1", "Accept: */*")
_TUS = ("Tus-Resumable: 1.0.0", "Content-Type: application/offset+octet-stream")
_FORM = "Content-Type: multipart/form-data; boundary=b0undary"


@dataclass(frozen=True, slots=True)
class Recording:
    """`head` is sent first; for a stream it is the handshake and `rest` its frames, else `rest` is the body."""

    name: str
    head: bytes
    rest: bytes = b""
    is_stream: bool = False


def recordings() -> list[Recording]:
    """Return all of them, always in the same order."""
    return [*_plain(), *_pictures(), *_media(), *_images(), *_jobs(), *_resumable(), *_streams()]


def _with_body(name: str, path: str, body: bytes, *lines: str, method: str = "POST") -> Recording:
    return Recording(name, Target(0).head(method, path, *lines, f"Content-Length: {len(body)}"), body)


def _plain() -> Iterator[Recording]:
    head = Target(0).head
    for path in (
        "/",
        "/docs",
        "/openapi.json",
        "/v1/limits",
        "/v1/vision",
        "/health/ready",
        "/metrics/memory",
        "/metrics",
    ):
        yield Recording(f"GET {path}", head("GET", path, *_BROWSER))
    yield Recording("HEAD", head("HEAD", "/", *_CURL))
    yield Recording("preflight", head("OPTIONS", "/v1/media", *_BROWSER, "Access-Control-Request-Method: POST"))
    yield Recording(
        "conditional",
        head("GET", "/", 'If-None-Match: W/"abc", "def"', "If-Modified-Since: Sat, 01 Aug 2026 10:00:00 GMT"),
    )
    yield Recording("advice", head("GET", "/v1/memory/advice?bytes=100000&width=4000&height=3000", *_CURL))
    yield Recording("events", head("GET", "/v1/memory/events", "Accept: text/event-stream", "Last-Event-ID: 5"))
    yield Recording("reclaim", head("POST", "/v1/memory/reclaim", "Content-Length: 0"))
    yield Recording("two requests", head("GET", "/v1/limits") + head("GET", "/health/live", "Connection: close"))
    yield Recording("HTTP/1.0", b"GET /health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")


def _pictures() -> Iterator[Recording]:
    jpeg, small = photo("thumb_up.jpg").read(), png(300, 200)
    yield _with_body("photo", "/v1/vision/hands?maxHands=2&minConfidence=0.4", jpeg, "Content-Type: image/jpeg", *_CURL)
    yield _with_body("picture", "/v1/vision/hands?cache=false", small, *_BROWSER, "Expect: 100-continue")
    yield _with_body("annotate", "/v1/vision/hands?annotate=true", small, "Content-Type: image/png")
    yield _with_body("picture by form", "/v1/vision/hands", form(("file", small)), _FORM, *_BROWSER)
    yield _with_body("batch", "/v1/vision/hands/batch", form(("file", small), ("file", small[:60])), _FORM)
    listed = json.dumps({"media": ["00000000000000000000000000", "b"]}).encode()
    yield _with_body("batch list", "/v1/vision/hands/batch", listed, "Content-Type: application/json")
    chunks = b"".join(b"%x;a=b\r\n%b\r\n" % (len(part), part) for part in (small[:100], small[100:]))
    head = Target(0).head("POST", "/v1/vision/hands", "Transfer-Encoding: chunked", "Trailer: Expires")
    yield Recording("chunked", head, chunks + b"0\r\nExpires: never\r\n\r\n")


def _media() -> Iterator[Recording]:
    video = mp4(30_000)
    yield _with_body("raw upload", "/v1/media?inline=never&name=a%20b.mp4", video, "Content-Type: video/mp4")
    yield _with_body("form upload", "/v1/media", form(("note", b"x"), ("file", png())), _FORM, *_BROWSER)
    yield _with_body("clip", "/v1/media?shape=clip", form(("file", video)), _FORM)
    head = Target(0).head
    yield Recording("list", head("GET", "/v1/media?limit=5&kind=image", *_CURL))
    yield Recording("range", head("GET", "/v1/media/none/content", "Range: bytes=0-99,200-", 'If-Range: "a"'))
    yield Recording("delete", head("DELETE", "/v1/media/none", *_CURL))


def _images() -> Iterator[Recording]:
    picture = png(300, 200)
    wanted = "width=120&height=90&fit=cover&gravity=smart&rotate=90&blur=2&format=webp&quality=70"
    yield _with_body("image", f"/v1/images?{wanted}", picture, "Content-Type: image/png", *_CURL)
    yield _with_body(
        "image without faces", "/v1/images?anonymize=faces&style=solid", picture, "Content-Type: image/png"
    )
    yield _with_body(
        "image by form", "/v1/images?crop=10,10,50,50&format=auto", form(("file", picture)), _FORM, *_BROWSER
    )
    head = Target(0).head
    yield Recording("operations", head("GET", "/v1/images/operations", *_BROWSER))
    yield Recording("derived", head("GET", f"/v1/media/none/image?{wanted}&at=1.5", 'If-None-Match: "a"', *_BROWSER))
    yield Recording("picture of a video", head("GET", "/v1/media/none/image/info", *_CURL))


def _jobs() -> Iterator[Recording]:
    clip = {
        "segments": [{"start": 0.5, "end": 1.5}, {"input": 1, "start": "00:00:01.000", "end": 2}],
        "method": "exact",
    }
    order = {
        "kind": "clip",
        "input": ["00000000000000000000000000", "b"],
        "params": clip,
        "priority": 3,
        "webhook": "https://example.org/hook?a=b",
        "idempotencyKey": "a-key",
    }
    body = json.dumps(order).encode()
    yield _with_body("job", "/v1/jobs", body, "Content-Type: application/json", *_BROWSER)
    small = b'{"kind":"analyze","input":"none","params":{"task":"hands","maxHands":2,"sampleFps":5}}'
    yield _with_body("analysis", "/v1/jobs", small, "Content-Type: application/json", *_CURL)
    head = Target(0).head
    yield Recording("kinds", head("GET", "/v1/jobs/kinds?input=none", *_CURL))
    yield Recording("jobs", head("GET", "/v1/jobs?state=running&kind=clip&limit=5&cursor=a", *_BROWSER))
    yield Recording("job state", head("GET", "/v1/jobs/none?inline=auto", *_CURL))
    yield Recording("job events", head("GET", "/v1/jobs/none/events", "Accept: text/event-stream", "Last-Event-ID: 5"))
    yield _with_body("job cancel", "/v1/jobs/none/cancel", b"", *_CURL)
    yield Recording("segment", head("GET", "/v1/media/none/hls/720p/0001.m4s", "Range: bytes=0-", *_BROWSER))


def _resumable() -> Iterator[Recording]:
    body = b"0123456789" * 20
    named = "Upload-Metadata: filename " + base64.b64encode(b"a.mp4").decode() + ",filetype dmlkZW8vbXA0"
    yield _with_body("tus creation", "/v1/uploads", b"", *_TUS, "Upload-Length: 5000", named)
    yield _with_body("tus deferred", "/v1/uploads", b"", *_TUS, "Upload-Defer-Length: 1")
    yield _with_body("tus with bytes", "/v1/uploads", body, *_TUS, "Upload-Length: 5000", "Upload-Concat: partial")
    yield _with_body("tus join", "/v1/uploads", b"", *_TUS, "Upload-Concat: final;/v1/uploads/a /v1/uploads/b")
    lines = (*_TUS, "Upload-Offset: 0", "Upload-Checksum: sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=")
    yield _with_body("tus piece", "/v1/uploads/none", body, *lines, method="PATCH")
    yield Recording("tus state", Target(0).head("HEAD", "/v1/uploads/none", *_TUS))
    yield Recording("tus abilities", Target(0).head("OPTIONS", "/v1/uploads"))


def _streams() -> Iterator[Recording]:
    jpeg = photo("thumb_up.jpg").read()
    opening = handshake(Target(0), *_BROWSER, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
    image = "data:image/jpeg;base64," + base64.b64encode(jpeg[:3000]).decode()
    texts = [
        {"type": "ping"}, {"type": "configure", "maxHands": 1, "maxFps": 5}, {"type": "frame", "image": image, "id": 7},
        {"type": "frame", "image": image, "id": "a" * 130}, {"type": "none"}, [],
    ]  # fmt: skip
    messages = b"".join(frame(TEXT, json.dumps(one).encode()) for one in texts)
    fragments = frame(BINARY, jpeg[:500], last=False) + frame(PING, b"here?") + frame(CONTINUATION, jpeg[500:])
    end = frame(PONG, b"") + frame(CLOSE, b"\x03\xe8bye")
    yield Recording("stream of frames", opening, frame(BINARY, jpeg) + frame(BINARY, png()) + end, is_stream=True)
    yield Recording("stream of texts", opening, messages + end, is_stream=True)
    yield Recording("stream in fragments", opening, fragments + frame(BINARY, b"") + end, is_stream=True)
    yield Recording(
        "stream with parameters",
        handshake(Target(0), path="/v1/vision/gestures/stream?maxFps=5"),
        messages,
        is_stream=True,
    )
