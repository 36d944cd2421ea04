"""multipart/form-data (RFC 7578), parsed while it comes in: one file, or any number of files.

The push parser of python-multipart does the work. Nothing is spooled: the bytes of a file go on as they come, as views
of the chunks in which they arrived. Fields that are not files are passed over, within tight limits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.domain.media import Chunk
from app.domain.units import KIB
from app.errors import BadRequest

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_PARTS = 16  # of a form with one file
MAX_PART_HEADERS = 8
MAX_HEADER_BYTES = 4 * KIB
MAX_FIELD_BYTES = 64 * KIB  # of all fields that are not files together

FRAMING_BYTES = MAX_PARTS * MAX_PART_HEADERS * MAX_HEADER_BYTES + MAX_FIELD_BYTES
"""The most that a form with one file may have besides the file itself."""

_FILE_FIELD = b"file"
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
    form = _Form(body, content_type, _OneFile())
    part = await form.next()
    if part is None:
        raise BadRequest("The form has no part named `file`.")
    assert isinstance(part, _Begin)
    return FilePart(part.name, part.content_type, _chunks_to_the_end(form))


async def file_parts(body: AsyncIterator[bytes], content_type: str, max_files: int) -> AsyncIterator[FilePart]:
    """Give the files of a form in their order, whatever their parts are called.

    The `chunks` of one must be read to the end before the next is asked for.

    Raises (also while chunks are read):
        BadRequest: not a form, a broken one, or one that ends too early; more than `max_files` files, or too much
            besides.
    """
    form = _Form(body, content_type, _ManyFiles(max_files))
    while (event := await form.next()) is not None:
        if isinstance(event, _Begin):
            yield FilePart(event.name, event.content_type, _chunks(form))


async def _chunks(form: _Form) -> AsyncIterator[Chunk]:
    while not isinstance(event := await form.next(), _End | None):
        assert not isinstance(event, _Begin)
        yield event


async def _chunks_to_the_end(form: _Form) -> AsyncIterator[Chunk]:
    while (event := await form.next()) is not None:
        if not isinstance(event, _Begin | _End):
            yield event


@dataclass(frozen=True, slots=True)
class _Begin:
    """A part begins; this is what its headers say."""

    field: bytes
    name: str | None
    content_type: str | None


class _End:
    """The end of a part."""


_Event: TypeAlias = _Begin | _End | Chunk
_Rule: TypeAlias = Callable[[_Begin], bool]
"""Whether a part is a file. Raises BadRequest where it is one too many."""


class _OneFile:
    """A form of few parts, one of which is named `file`."""

    def __init__(self) -> None:
        self._parts = 0
        self._found = False

    def __call__(self, part: _Begin) -> bool:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise BadRequest(f"The form has more than {MAX_PARTS} parts.")
        if part.field != _FILE_FIELD:
            return False
        if self._found:
            raise BadRequest("The form has a second part named `file`; send one at a time.")
        self._found = True
        return True


class _ManyFiles:
    """Every part with a file name is a file; so is one named `file` (`curl -F 'file=<a.jpg'` sends no file name)."""

    def __init__(self, max_files: int) -> None:
        self._max_files = max_files
        self._files = 0

    def __call__(self, part: _Begin) -> bool:
        if part.name is None and part.field != _FILE_FIELD:
            return False
        self._files += 1
        if self._files > self._max_files:
            raise BadRequest(f"The form has more than {self._max_files} files.")
        return True


class _Form:
    """Turns the parser's callbacks into events: each file begins, gives its bytes, and ends."""

    def __init__(self, body: AsyncIterator[bytes], content_type: str, rule: _Rule) -> None:
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
                self._parser.write(data)
            except FormParserError:
                self._broken = BadRequest("The form is broken: its parts do not follow the announced boundary.")
            except BadRequest as error:
                self._broken = error
        return self._events.popleft()

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
        part = _Begin(options.get(b"name", b""), _text_of(name), _text_of(content_type))
        self._in_file = self._is_file(part)
        if not self._in_file:
            return
        if headers.get(b"content-transfer-encoding", b"binary").strip().lower() not in _PLAIN_ENCODINGS:
            raise BadRequest("A file is encoded; send its bytes as they are (RFC 7578, section 4.7).")
        self._events.append(part)

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
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
