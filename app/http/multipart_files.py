"""multipart/form-data with any number of files, given one after the other while they come in.

Like `multipart.py`, which is for one file: nothing is spooled, the bytes go on as views of the chunks they came in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.domain.media import Chunk
from app.errors import BadRequest
from app.http.multipart import (
    FILE_FIELD,
    MAX_FIELD_BYTES,
    MAX_HEADER_BYTES,
    MAX_PART_HEADERS,
    PLAIN_ENCODINGS,
    FilePart,
    boundary_of,
    text_of,
)


@dataclass(frozen=True, slots=True)
class _Begin:
    name: str | None
    content_type: str | None


class _End:
    """The end of a part."""


_Event = _Begin | _End | Chunk


async def file_parts(body: AsyncIterator[bytes], content_type: str, max_files: int) -> AsyncIterator[FilePart]:
    """Give the files of a form in their order, whatever their parts are called.

    The `chunks` of one must be read to the end before the next is asked for. Fields that are no files are passed over.

    Raises (also while chunks are read):
        BadRequest: the form is broken, has more than `max_files` files, too much besides, or ends too early.
    """
    form = _FilesForm(boundary_of(content_type), max_files)
    while (event := await form.next(body)) is not None:
        if isinstance(event, _Begin):
            yield FilePart(event.name, event.content_type, _chunks(form, body))


async def _chunks(form: _FilesForm, body: AsyncIterator[bytes]) -> AsyncIterator[Chunk]:
    while not isinstance(event := await form.next(body), _End | None):
        assert not isinstance(event, _Begin)
        yield event


class _FilesForm:
    """Turns the parser's callbacks into events."""

    def __init__(self, boundary: bytes, max_files: int) -> None:
        self._events: deque[_Event] = deque()
        self._max_files = max_files
        self._files = 0
        self._fields_bytes = 0
        self._in_file = False
        self._ended = False
        self._broken: BadRequest | None = None
        self._name = bytearray()
        self._value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._part_data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
                max_header_count=MAX_PART_HEADERS,
                max_header_size=MAX_HEADER_BYTES,
            )
        except FormParserError as error:
            raise BadRequest("The boundary of the form is too long.") from error

    async def next(self, body: AsyncIterator[bytes]) -> _Event | None:
        """Return the next event, None at the end of the form."""
        while not self._events:
            if self._broken is not None:  # what came whole before the break was given first
                raise self._broken
            data = await anext(body, None)
            if data is None:
                if not self._ended:
                    raise BadRequest("The form ended before its last boundary.")
                return None
            self._feed(data)
        return self._events.popleft()

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError:
            self._broken = BadRequest("The form is broken: its parts do not follow the announced boundary.")
        except BadRequest as error:
            self._broken = error

    def _begin_part(self) -> None:
        self._headers = {}

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _end_headers(self) -> None:
        disposition, options = parse_options_header(self._headers.get(b"content-disposition"))
        if disposition != b"form-data":
            raise BadRequest("A part of the form has no `Content-Disposition: form-data`.")
        self._in_file = b"filename" in options or options.get(b"name") == FILE_FIELD
        if not self._in_file:
            return
        if self._headers.get(b"content-transfer-encoding", b"binary").strip().lower() not in PLAIN_ENCODINGS:
            raise BadRequest("A file is encoded; send its bytes as they are (RFC 7578, section 4.7).")
        self._files += 1
        if self._files > self._max_files:
            raise BadRequest(f"The form has more than {self._max_files} files.")
        content_type = self._headers.get(b"content-type")
        file_type = text_of(content_type) if content_type is not None else None
        name = text_of(options[b"filename"]) if b"filename" in options else None
        self._events.append(_Begin(name, file_type))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._events.append(data if end - start == len(data) else memoryview(data)[start:end])
            return
        self._fields_bytes += end - start
        if self._fields_bytes > MAX_FIELD_BYTES:
            raise BadRequest(f"The fields besides the files have more than {MAX_FIELD_BYTES} bytes.")

    def _end_part(self) -> None:
        if self._in_file:
            self._events.append(_End())
            self._in_file = False

    def _end(self) -> None:
        self._ended = True
