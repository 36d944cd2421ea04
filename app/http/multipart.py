"""multipart/form-data (RFC 7578), parsed while it comes in: one file, or any number of files.

The push parser of python-multipart does the work. Nothing is spooled: the bytes of a file go on as they come, as views
of the chunks in which they arrived. Fields that are not files are passed over, within tight limits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.domain.media import Chunk
from app.errors import BadRequest
from app.http.parts import (
    FRAMING_BYTES,
    MAX_FIELD_BYTES,
    MAX_HEADER_BYTES,
    MAX_PART_HEADERS,
    ManyFiles,
    OneFile,
    PartHead,
    PartRule,
)

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_PLAIN_ENCODINGS = frozenset({b"binary", b"8bit", b"7bit"})


@dataclass(frozen=True, slots=True)
class FilePart:
    """One file of a form. `chunks` must be read to their end; what comes after them is checked only then."""

    name: str | None
    content_type: str | None
    chunks: AsyncIterator[Chunk]


async def file_part(body: AsyncIterator[bytes], content_type: str) -> FilePart:
    """Read a form up to its one file, the part named `file`; `chunks` end where the form does.

    `content_type` is the request's header.

    Raises (also while chunks are read):
        BadRequest: not a form, a broken one, or one that ends too early; no part named `file` or a second one; too many
            or too large parts or part headers.
    """
    form = _Form(body, content_type, OneFile())
    part = await form.next()
    if part is None:
        raise BadRequest("The form has no part named `file`.")
    assert isinstance(part, PartHead)
    return FilePart(part.name, part.content_type, _chunks_to_the_end(form))


async def file_parts(body: AsyncIterator[bytes], content_type: str, max_files: int) -> AsyncIterator[FilePart]:
    """Give the files of a form in their order, whatever their parts are called.

    The `chunks` of one must be read to the end before the next is asked for.

    Raises (also while chunks are read):
        BadRequest: not a form, a broken one, or one that ends too early; more than `max_files` files, or too many parts
            or bytes besides.
    """
    form = _Form(body, content_type, ManyFiles(max_files))
    while (event := await form.next()) is not None:
        if isinstance(event, PartHead):
            yield FilePart(event.name, event.content_type, _chunks(form))


async def _chunks(form: _Form) -> AsyncIterator[Chunk]:
    while not isinstance(event := await form.next(), _End | None):
        assert not isinstance(event, PartHead)
        yield event


async def _chunks_to_the_end(form: _Form) -> AsyncIterator[Chunk]:
    while (event := await form.next()) is not None:
        if not isinstance(event, PartHead | _End):
            yield event


class _End:
    """The end of a part."""


_Event: TypeAlias = PartHead | _End | Chunk


class _Form:
    """Turns the parser's callbacks into events: each file begins, gives its bytes, and ends."""

    def __init__(self, body: AsyncIterator[bytes], content_type: str, rule: PartRule) -> None:
        self._body = body
        self._is_file = rule
        self._parser = _build_parser(
            content_type,
            {
                "on_header_field": self._add_header_name,
                "on_header_value": self._add_header_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._add_data,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )
        self._events: deque[_Event] = deque()
        self._field_bytes = 0
        self._framing_bytes = 0  # all that is no file: boundaries, headers, fields, and what stands around the parts
        self._framing_limit = FRAMING_BYTES
        self._in_file = False
        self._ended = False
        self._broken: BadRequest | None = None
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._headers: dict[bytes, bytes] = {}

    async def next(self) -> _Event | None:
        """Return the next event, None at the end of the form. What came whole before a break is given first.

        Raises:
            BadRequest: the form is broken, breaks the rule or a limit, or ends too early.
        """
        while not self._events:
            if self._broken is not None:
                raise self._broken
            data = await anext(self._body, None)
            if data is None:
                if not self._ended:
                    raise BadRequest("The form ended before its last boundary.")
                return None
            try:
                self._feed(data)
            except FormParserError:
                self._broken = BadRequest("The form is broken: its parts do not follow the announced boundary.")
            except BadRequest as error:
                self._broken = error
        return self._events.popleft()

    def _feed(self, data: bytes) -> None:
        self._framing_bytes += len(data)  # and less what turns out to be a file's
        self._parser.write(data)
        if self._framing_bytes > self._framing_limit:
            raise BadRequest(f"The form has more than {self._framing_limit} bytes besides its files.")

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _end_headers(self) -> None:
        headers, self._headers = self._headers, {}
        disposition, options = parse_options_header(headers.get(b"content-disposition"))
        if disposition != b"form-data":
            raise BadRequest("A part of the form has no `Content-Disposition: form-data`.")
        name, content_type = options.get(b"filename"), headers.get(b"content-type")
        part = PartHead(options.get(b"name", b""), _text_of(name), _text_of(content_type))
        self._in_file = self._is_file(part)
        if not self._in_file:
            return
        if headers.get(b"content-transfer-encoding", b"binary").strip().lower() not in _PLAIN_ENCODINGS:
            raise BadRequest("A file is encoded; send its bytes as they are (RFC 7578, section 4.7).")
        self._framing_limit += MAX_HEADER_BYTES
        self._events.append(part)

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._framing_bytes -= end - start
            self._events.append(data if end - start == len(data) else memoryview(data)[start:end])
            return
        self._field_bytes += end - start
        if self._field_bytes > MAX_FIELD_BYTES:
            raise BadRequest(f"The fields besides the files have more than {MAX_FIELD_BYTES} bytes.")

    def _end_part(self) -> None:
        if self._in_file:
            self._events.append(_End())
            self._in_file = False

    def _end(self) -> None:
        self._ended = True


def _build_parser(content_type: str, callbacks: MultipartCallbacks) -> MultipartParser:
    media_type, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if media_type != b"multipart/form-data" or not boundary:
        raise BadRequest("A form needs `Content-Type: multipart/form-data` with its boundary.")
    try:
        return MultipartParser(boundary, callbacks, max_header_count=MAX_PART_HEADERS, max_header_size=MAX_HEADER_BYTES)
    except FormParserError as error:
        raise BadRequest("The boundary of the form is too long.") from error


def _text_of(value: bytes | None) -> str | None:
    """Read a name as browsers write it (UTF-8, with `"`, CR and LF percent-encoded: HTML, multipart/form-data)."""
    if value is None:
        return None
    return value.decode("utf-8", "replace").replace("%22", '"').replace("%0D", "").replace("%0A", "")
