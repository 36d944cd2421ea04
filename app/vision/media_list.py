"""`{"media": [ids]}`, read as it comes: the ids go to the disk, and no more than one of them is ever built."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from enum import Enum, auto

from app.domain.units import KIB
from app.errors import BadRequest, BallastError, InvalidParameter
from app.storage.ids import is_id
from app.storage.spool import Spool

MAX_TOKEN_BYTES = 1 * KIB
"""The longest text, number or word that is looked at; an id has 22 bytes."""

_SLICE_BYTES = 16 * KIB
"""How much is read at a time, however much comes at once."""

_NO_ID = b"-" * 22
"""Stands for a text that is no id of ours, so that every entry of the list has the same length."""

_ENTRY_BYTES = len(_NO_ID)

_PIECE_BYTES = 186 * _ENTRY_BYTES
"""How much of the list is in memory while it is worked on: about 4 KiB."""

_TOKEN = re.compile(rb'[ \t\r\n]*+("[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},:]|[^ \t\r\n"\[\]{},:]++)', re.DOTALL)
_ID = re.compile(rb'"([0-9a-z]{22})"')
_IDS = re.compile(rb'(?:[ \t\r\n]*+"[0-9a-z]{22}"[ \t\r\n]*+,)++')
"""Entries that are plainly ids, taken together: token by token a long list takes ten times as long."""

_OTHERS = re.compile(rb'(?:[ \t\r\n]*+"(?![0-9a-z]{22}")[ !#-+\--\[\]-~]*+"[ \t\r\n]*+,)++')
"""Entries that are plainly texts and no ids, without a comma, so that they can be counted."""

_VALUE = re.compile(rb'["\[{0-9tfn-]')
"""How a JSON value begins."""


class _Place(Enum):
    """What comes next."""

    OBJECT = auto()
    NAME = auto()
    COLON = auto()
    ARRAY = auto()
    FIRST = auto()
    COMMA = auto()
    NEXT = auto()
    CLOSE = auto()
    NOTHING = auto()


async def receive_list(body: AsyncIterator[bytes], entries: Spool, max_entries: int) -> None:
    """Read a list into a spool, which ends with it.

    Raises:
        BadRequest: the body is no JSON.
        InvalidParameter: it is something else, or has no or too many ids.
    """
    reader = _ListReader(max_entries)
    async for chunk in body:
        for at in range(0, len(chunk), _SLICE_BYTES):
            if found := b"".join(reader.read(chunk[at : at + _SLICE_BYTES])):
                await entries.write(found)
    reader.finish()
    entries.end()


async def listed_ids(entries: Spool) -> AsyncIterator[str]:
    """Give the ids of a list that was received."""
    async for piece in entries.pieces(_PIECE_BYTES):
        for at in range(0, len(piece), _ENTRY_BYTES):
            yield piece[at : at + _ENTRY_BYTES].decode()


class _ListReader:
    """Reads the text in slices of any size."""

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._count = 0
        self._place = _Place.OBJECT
        self._rest = b""

    def read(self, data: bytes) -> Iterator[bytes]:
        """Give the entries that end in this slice."""
        text = self._rest + data
        at = 0
        while (match := _TOKEN.match(text, at)) is not None and match.end() < len(text):
            if self._place is _Place.NEXT and (run := _IDS.match(text, at)) is not None:
                at = run.end()
                yield self._take_ids(run[0])
                continue
            if self._place is _Place.NEXT and (run := _OTHERS.match(text, at)) is not None:
                at = run.end()
                yield self._take_others(run[0].count(b","))
                continue
            at = match.end()
            entry = self._take(match[1])
            if entry is not None:
                yield entry
        self._rest = text[at:].lstrip(b" \t\r\n")
        if len(self._rest) > MAX_TOKEN_BYTES:
            raise self._wrong(f"a text may have {MAX_TOKEN_BYTES} bytes")

    def finish(self) -> None:
        """Check what is left when all has come."""
        if self._rest and _TOKEN.fullmatch(self._rest) is not None:
            self._take(self._rest)
        elif self._rest:
            raise _no_json()
        if self._place is not _Place.NOTHING:
            raise _no_json()

    def _take_ids(self, run: bytes) -> bytes:
        entries = run.translate(None, b'", \t\r\n')
        self._count_more(len(entries) // _ENTRY_BYTES)
        return entries

    def _take_others(self, count: int) -> bytes:
        self._count_more(count)
        return _NO_ID * count

    def _count_more(self, more: int) -> None:
        if self._count + more > self._max_entries:
            self._count = self._max_entries
            raise self._wrong(f"a list may have {self._max_entries} ids")
        self._count += more

    def _take(self, token: bytes) -> bytes | None:
        """Go one token further; return the entry that it makes."""
        match self._place, token:
            case ((_Place.FIRST | _Place.NEXT), _) if token.startswith(b'"'):
                self._count_more(1)
                self._place = _Place.COMMA
                return _entry(token)
            case _Place.COMMA, b",":
                self._place = _Place.NEXT
            case _Place.OBJECT, b"{":
                self._place = _Place.NAME
            case _Place.NAME, _ if token.startswith(b'"') and _text_of(token) == "media":
                self._place = _Place.COLON
            case _Place.COLON, b":":
                self._place = _Place.ARRAY
            case _Place.ARRAY, b"[":
                self._place = _Place.FIRST
            case _Place.COMMA, b"]":
                self._place = _Place.CLOSE
            case _Place.CLOSE, b"}":
                self._place = _Place.NOTHING
            case _:
                raise self._misplaced(token)
        return None

    def _misplaced(self, token: bytes) -> BallastError:
        """Return what is wrong: this is another document, or none at all."""
        is_value = _VALUE.match(token) is not None
        match self._place:
            case _Place.OBJECT | _Place.ARRAY | _Place.NEXT if is_value:
                return self._wrong("it must be an object with a list of media ids")
            case _Place.FIRST if is_value or token == b"]":
                return self._wrong("it must be a list of media ids, and have at least one")
            case _Place.NAME if token == b"}" or token.startswith(b'"'):
                return self._wrong("it is the only member there is")
            case _Place.CLOSE if token == b",":
                return self._wrong("it is the only member there is")
        return _no_json()

    def _wrong(self, message: str) -> InvalidParameter:
        where: list[str | int] = ["media"]
        if self._place in (_Place.FIRST, _Place.NEXT):
            where.append(self._count)
        name = ".".join(str(step) for step in where)
        return InvalidParameter(f"{name}: {message}", errors=[{"where": where, "message": message}])


def _entry(token: bytes) -> bytes:
    match = _ID.fullmatch(token)
    if match is not None:
        return match[1]
    text = _text_of(token)
    return text.encode() if is_id(text) else _NO_ID


def _text_of(token: bytes) -> str:
    try:
        text: str = json.loads(token)
    except ValueError:
        raise _no_json() from None
    return text


def _no_json() -> BadRequest:
    return BadRequest("The body is not valid JSON.")
