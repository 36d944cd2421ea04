"""Media ids: made here, never by a client. They sort by kind and then newest first, in files and in object keys.

An id is a letter for the kind, 11 characters of inverted time (microseconds) and 10 random characters, in Crockford's
base 32 in lower case (crockford.com/base32.html: no i, l, o, u), whose characters sort as their values do.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta

from app.domain.media import MediaKind
from app.errors import InvalidParameter, NotFound

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_CHARACTERS = 11
_RANDOM_CHARACTERS = 10
_BUCKET_CHARACTERS = 4
_LAST_MICROSECOND = 32**_TIME_CHARACTERS - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS = {kind.value[0]: kind for kind in MediaKind}
_TAIL = f"[{_ALPHABET}]{{{_TIME_CHARACTERS + _RANDOM_CHARACTERS}}}"
_ID = re.compile(f"[{''.join(_KINDS)}]{_TAIL}")
_CURSOR = re.compile(_TAIL)

CURSOR_PATTERN = f"^{_TAIL}$"
"""What the cursor of a page looks like, for those who describe it."""


def new_id(kind: MediaKind, at: datetime) -> str:
    """Make the id of an item that is committed at the time `at`."""
    microseconds = (at - _EPOCH) // timedelta(microseconds=1)
    inverted = _encode(_LAST_MICROSECOND - microseconds, _TIME_CHARACTERS)
    return kind.value[0] + inverted + _encode(secrets.randbits(5 * _RANDOM_CHARACTERS), _RANDOM_CHARACTERS)


def timestamp_key(media_id: str, at: datetime, extension: str) -> str:
    """Return the name that sorts by time, oldest first: `<milliseconds>-<random><extension>`."""
    milliseconds = (at - _EPOCH) // timedelta(milliseconds=1)
    return f"{milliseconds:013d}-{media_id[-_RANDOM_CHARACTERS:]}{extension}"


def kind_of(media_id: str) -> MediaKind:
    """Return the kind that an id carries.

    Raises:
        NotFound: it is not one of our ids; so a path made from an id stays where it should.
    """
    if _ID.fullmatch(media_id) is None:
        raise NotFound("There is no media item with this id.")
    return _KINDS[media_id[0]]


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def created_at(media_id: str) -> datetime:
    """Return the time that an id carries."""
    microseconds = _LAST_MICROSECOND - _decode(media_id[1 : 1 + _TIME_CHARACTERS])
    return _EPOCH + timedelta(microseconds=microseconds)


def bucket_of(media_id: str) -> str:
    """Return the name of the folder that an id belongs to: one for 9.5 hours, newest first."""
    return media_id[1 : 1 + _BUCKET_CHARACTERS]


def path_of(media_id: str, extension: str) -> str:
    """Return where a file of an item is, below the root of the store: this follows from its id alone.

    Raises:
        NotFound: it is not one of our ids.
    """
    return f"media/{kind_of(media_id)}/{bucket_of(media_id)}/{media_id}{extension}"


def cursor_after(media_id: str) -> str:
    """Return the cursor of the page that begins after this item."""
    return media_id[1:]


def cursor_at(moment: datetime) -> str:
    """Return the cursor of the page that begins with the newest item that is older than `moment`."""
    microseconds = (moment - _EPOCH) // timedelta(microseconds=1)
    return _encode(_LAST_MICROSECOND - microseconds, _TIME_CHARACTERS) + _ALPHABET[-1] * _RANDOM_CHARACTERS


def bucket_of_cursor(cursor: str) -> str:
    """Return the folder in which the page of a cursor begins.

    Raises:
        InvalidParameter: it is not one of our cursors.
    """
    if _CURSOR.fullmatch(cursor) is None:
        raise InvalidParameter("The cursor is not one that a page of this list has given.")
    return cursor[:_BUCKET_CHARACTERS]


def _encode(number: int, length: int) -> str:
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(length)))


def _decode(text: str) -> int:
    number = 0
    for character in text:
        number = number << 5 | _ALPHABET.index(character)
    return number
