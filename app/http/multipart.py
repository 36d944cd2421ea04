"""multipart/form-data (RFC 7578) with one file part named `file`, parsed while it comes in.

The push parser of python-multipart does the work; nothing is spooled: the bytes of the file go on as they come, as
views of the chunks in which they arrived. Other fields are passed over, within tight limits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.domain.media import Chunk
from app.domain.units import KIB
from app.errors import BadRequest

MAX_PARTS = 16
MAX_PART_HEADERS = 8
MAX_HEADER_BYTES = 4 * KIB
MAX_FIELD_BYTES = 64 * KIB
"""All other fields together."""

FRAMING_BYTES = MAX_PARTS * MAX_PART_HEADERS * MAX_HEADER_BYTES + MAX_FIELD_BYTES
"""The most that a form may have besides the file itself."""

FILE_FIELD = b"file"
PLAIN_ENCODINGS = frozenset({b"binary", b"8bit", b"7bit"})


@dataclass(frozen=True, slots=True)
class FilePart:
    """The one file of a form. `chunks` must be read to the end: only there is it known that the form is whole."""

    name: str | None
    content_type: str | None
    chunks: AsyncIterator[Chunk]


async def file_part(body: AsyncIterator[bytes], content_type: str) -> FilePart:
    """Read a form up to its file part.

    `content_type` is the request's header. What comes after the part is checked while `chunks` are read.

    Raises:
        BadRequest: no form, a wrong boundary, no part named `file` or (while reading) a second one, too many or too
            large parts or part headers, an end before the end.
    """
    form = _Form(boundary_of(content_type))
    async for data in body:
        form.feed(data)
        if form.in_file:
            return FilePart(form.file_name, form.file_type, _file_chunks(form, body))
    form.finish()
    raise BadRequest("The form has no part named `file`.")


async def _file_chunks(form: _Form, body: AsyncIterator[bytes]) -> AsyncIterator[Chunk]:
    while True:
        while form.ready:
            yield form.ready.popleft()
        data = await anext(body, None)
        if data is None:
            break
        form.feed(data)
    form.finish()


class _Form:
    """What the parser's callbacks have seen so far."""

    def __init__(self, boundary: bytes) -> None:
        self.ready: deque[Chunk] = deque()
        self.in_file = False
        self.file_name: str | None = None
        self.file_type: str | None = None
        self._parts = 0
        self._field_bytes = 0
        self._ended = False
        self._seen_file = False
        self._in_part_of_file = False
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_part_data": self._part_data,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_part,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_end": self._end,
                },
                max_header_count=MAX_PART_HEADERS,
                max_header_size=MAX_HEADER_BYTES,
            )
        except FormParserError as error:
            raise BadRequest("The boundary of the form is too long.") from error

    def feed(self, data: bytes) -> None:
        """Parse the next bytes of the body; the file's own are in `ready` afterwards."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise BadRequest("The form is broken: its parts do not follow the boundary that was announced.") from error

    def finish(self) -> None:
        """Make sure that the form has come to its end.

        Raises:
            BadRequest: it has not.
        """
        if not self._ended:
            raise BadRequest("The form ended before its last boundary.")

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise BadRequest(f"The form has more than {MAX_PARTS} parts.")
        self._in_part_of_file = False
        self._headers = {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_part(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _end_headers(self) -> None:
        disposition, options = parse_options_header(self._headers.get(b"content-disposition"))
        if disposition != b"form-data":
            raise BadRequest("A part of the form has no `Content-Disposition: form-data`.")
        if options.get(b"name") != FILE_FIELD:
            return
        if self._seen_file:
            raise BadRequest("The form has a second part named `file`; send one at a time.")
        if self._headers.get(b"content-transfer-encoding", b"binary").strip().lower() not in PLAIN_ENCODINGS:
            raise BadRequest("The file is encoded; send its bytes as they are (RFC 7578, section 4.7).")
        self._seen_file = self.in_file = self._in_part_of_file = True
        self.file_name = text_of(options[b"filename"]) if b"filename" in options else None
        self.file_type = text_of(self._headers[b"content-type"]) if b"content-type" in self._headers else None

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_part_of_file:
            self.ready.append(data if end - start == len(data) else memoryview(data)[start:end])
            return
        self._field_bytes += end - start
        if self._field_bytes > MAX_FIELD_BYTES:
            raise BadRequest(f"The fields besides the file have more than {MAX_FIELD_BYTES} bytes.")

    def _end(self) -> None:
        self._ended = True


def boundary_of(content_type: str) -> bytes:
    """Return the boundary of a form by the request's content type.

    Raises:
        BadRequest: it is no form, or has none.
    """
    media_type, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if media_type != b"multipart/form-data" or not boundary:
        raise BadRequest("A form needs `Content-Type: multipart/form-data` with its boundary.")
    return boundary


def text_of(value: bytes) -> str:
    """Read a name as browsers write it (UTF-8, with `"`, CR and LF percent-encoded: HTML, multipart/form-data)."""
    text = value.decode("utf-8", "replace")
    for escape, character in (("%22", '"'), ("%0D", ""), ("%0A", "")):
        text = text.replace(escape, character)
    return text
