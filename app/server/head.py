"""The head of a request: bounded before it is parsed, and parsed at once when it is whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote

import httptools

from app.domain.units import KIB

MAX_HEAD_BYTES = 32 * KIB
"""Request line and fields together (nginx: 4 buffers of 8 KiB)."""

MAX_FIELDS = 100
"""Fields of a head (Apache's LimitRequestFields)."""

_END = b"\r\n\r\n"


class BadHead(Exception):
    """What came is no head that is answered; `status` is 400 or 431."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass(slots=True)
class Head:
    """One request, without its body.

    `content_length` is None where none was announced. Names of fields are in lower case. `is_json`: the body says so.
    """

    method: str = ""
    path: str = ""
    raw_path: bytes = b""
    query_string: bytes = b""
    http_version: str = "1.1"
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    content_length: int | None = None
    is_chunked: bool = False
    keeps_alive: bool = True
    expects_continue: bool = False
    upgrades_to_websocket: bool = False
    is_json: bool = False

    @property
    def has_body(self) -> bool:
        return self.is_chunked or bool(self.content_length)


def find_end(received: bytearray, searched: int) -> int:
    """Return the length of the head that `received` begins with, 0 where it is not whole.

    Its first `searched` bytes are known not to have the end.

    Raises:
        BadHead: it has more bytes or fields than are read.
    """
    found = received.find(_END, max(0, searched - len(_END) + 1), MAX_HEAD_BYTES)
    if found < 0 and len(received) >= MAX_HEAD_BYTES:
        raise BadHead(431, "The head of the request is too large.")
    end = found + len(_END) if found >= 0 else 0
    # A lone LF ends a line for the parser, too: whatever it takes for a line is counted.
    if received.count(b"\n", 0, end or len(received)) > MAX_FIELDS + 2:
        raise BadHead(431, "The head of the request has too many fields.")
    return end


def parse_head(data: bytes) -> Head:
    """Parse a whole head.

    Raises:
        BadHead: it is not HTTP/1.
    """
    reader = _Reader()
    try:
        reader.read(data)
    except httptools.HttpParserError as error:
        raise BadHead(400, "Invalid HTTP request received.") from error
    if not reader.is_complete:  # such as an empty line within it, by a lone LF
        raise BadHead(400, "Invalid HTTP request received.")
    return _finish(reader)


class _Reader:
    """What the parser calls."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.method = self.version = ""
        self.is_complete = self.keeps_alive = self.upgrades = False
        self._parser: httptools.HttpRequestParser | None = None

    def read(self, data: bytes) -> None:
        """Parse a whole head."""
        self._parser = httptools.HttpRequestParser(self)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass
        finally:
            self._parser = None  # the two would keep each other until the garbage is collected

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        parser = self._parser  # it knows no more of this head when it is done
        assert parser is not None
        self.is_complete = True
        self.method, self.version = parser.get_method().decode("ascii"), parser.get_http_version()
        self.keeps_alive, self.upgrades = parser.should_keep_alive(), parser.should_upgrade()


def _finish(reader: _Reader) -> Head:
    try:
        url = httptools.parse_url(reader.url)
        path = (url.path or b"/").decode("ascii")
    except (httptools.HttpParserError, UnicodeDecodeError) as error:
        raise BadHead(400, "The target of the request is not valid.") from error
    head = Head(
        method=reader.method,
        path=unquote(path) if "%" in path else path,
        raw_path=url.path or b"/",
        query_string=url.query or b"",
        http_version=reader.version,
        headers=reader.headers,
        keeps_alive=reader.version != "1.0" and reader.keeps_alive,
    )
    upgrade = b""
    hosts = 0
    for name, value in reader.headers:
        match name:
            case b"host":
                hosts += 1
            case b"content-length":
                head.content_length = _length(value)
            case b"transfer-encoding":
                if value.strip().lower() != b"chunked" or head.is_chunked:
                    raise BadHead(400, "Transfer-Encoding is read where it is chunked, and nothing else.")
                head.is_chunked = True
            case b"content-type":
                head.is_json = head.is_json or b"json" in value.lower()
            case b"expect":
                head.expects_continue = value.strip().lower() == b"100-continue"
            case b"upgrade":
                upgrade = value.strip().lower()
    if head.is_chunked and (head.content_length is not None or reader.version == "1.0"):
        raise BadHead(400, "The body has two framings.")
    if hosts > 1:
        raise BadHead(400, "The request names two hosts.")  # RFC 9112, section 3.2
    # Only a GET without a body can become a WebSocket (RFC 6455, section 4.1).
    is_upgrade = upgrade == b"websocket" and reader.upgrades
    head.upgrades_to_websocket = is_upgrade and head.method == "GET" and not head.has_body
    return head


def _length(value: bytes) -> int:
    if not value.isdigit():
        raise BadHead(400, "Content-Length is not a number.")
    return int(value)
