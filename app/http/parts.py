"""The parts of a form: how many there may be of which size, and which of them are files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from app.domain.units import KIB
from app.errors import BadRequest

MAX_PARTS = 16  # of a form with one file; a form of many may have so many besides
MAX_PART_HEADERS = 8
MAX_HEADER_BYTES = 4 * KIB
MAX_FIELD_BYTES = 64 * KIB  # of all fields that are not files together

FRAMING_BYTES = MAX_PARTS * MAX_PART_HEADERS * MAX_HEADER_BYTES + MAX_FIELD_BYTES
"""The most that a form may have besides its files, but for `MAX_HEADER_BYTES` more for each of them."""

_FILE_FIELD = b"file"


@dataclass(frozen=True, slots=True)
class PartHead:
    """A part begins; this is what its headers say."""

    field: bytes
    name: str | None
    content_type: str | None


PartRule: TypeAlias = Callable[[PartHead], bool]
"""Whether a part is a file. Raises BadRequest where it is one too many."""


class OneFile:
    """A form of few parts, one of which is named `file`."""

    def __init__(self) -> None:
        self._parts = 0
        self._found = False

    def __call__(self, part: PartHead) -> bool:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise BadRequest(f"The form has more than {MAX_PARTS} parts.")
        if part.field != _FILE_FIELD:
            return False
        if self._found:
            raise BadRequest("The form has a second part named `file`; send one at a time.")
        self._found = True
        return True


class ManyFiles:
    """Every part with a file name is a file; so is one named `file` (`curl -F 'file=<a.jpg'` sends no file name)."""

    def __init__(self, max_files: int) -> None:
        self._max_files = max_files
        self._files = 0
        self._parts = 0

    def __call__(self, part: PartHead) -> bool:
        self._parts += 1
        if self._parts > self._max_files + MAX_PARTS:
            raise BadRequest(f"The form has more than {self._max_files + MAX_PARTS} parts.")
        if part.name is None and part.field != _FILE_FIELD:
            return False
        self._files += 1
        if self._files > self._max_files:
            raise BadRequest(f"The form has more than {self._max_files} files.")
        return True
