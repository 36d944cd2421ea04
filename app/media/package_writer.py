"""Writing a package (`packages`): file after file, and the directory at the end. All of it blocks, and runs in threads."""

from __future__ import annotations

import json
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from app.media.packages import END, END_SIGN, LOCAL, LONG, MOST_COMMENT_BYTES, NAME, RECORD
from app.storage.files import write_all

_PIECE_BYTES = 1024 * 1024
_UTF8, _STORED, _VERSION = 1 << 11, 0, 45
_DATE = 1 << 5 | 1
"""1 January 1980, in the form of the archive: the same files make the same bytes."""

_MOST = 0xFFFFFFFF
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")


class PackageWriter:
    """Writes a new package to `path`. Its directory waits in a file beside it, so memory does not grow with it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._directory_path = path.with_name(f"{path.name}.directory")
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self._directory: BinaryIO = self._directory_path.open("w+b")
        self._size_bytes = self._count = 0
        self._files: dict[str, tuple[int, int]] = {}
        self._series: dict[str, dict[str, int]] = {}

    def close(self) -> None:
        """Let go of its files."""
        self._directory.close()
        self._directory_path.unlink(missing_ok=True)
        os.close(self._fd)

    def add(self, name: str, source: Path | bytes) -> None:
        """Append a file.

        Raises:
            ValueError: it has a name that a package does not take, or the files of a series are not in order.
            StorageFull, OSError: it cannot be read or written.
        """
        match = NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"{name} is no name of a file in a package")
        start = self._size_bytes
        self._write(bytes(LOCAL.size) + name.encode())
        body_bytes, check_sum = self._copy(source)
        head = LOCAL.pack(
            *(b"PK\x03\x04", _VERSION, _UTF8, _STORED, 0, _DATE),
            *(check_sum, body_bytes, body_bytes, len(name), 0),
        )
        os.pwrite(self._fd, head, start)
        if match["folder"]:
            self._count_series(f"{match['folder']}/{match['suffix']}", match["number"], name)
        else:
            self._files[name] = (start + LOCAL.size + len(name), body_bytes)
        self._directory.write(_record(name, check_sum, body_bytes, start))
        self._count += 1

    def finish(self) -> int:
        """Write the directory, and have all of it on the disk; return the size.

        Raises:
            StorageFull, OSError: it cannot be written.
        """
        start, directory_bytes = self._size_bytes, self._directory.tell()
        self._directory.seek(0)
        while piece := self._directory.read(_PIECE_BYTES):
            self._write(piece)
        series = {name: {**one, "offset": start + one["offset"]} for name, one in self._series.items()}
        comment = json.dumps({"files": self._files, "series": series}, separators=(",", ":")).encode()
        if len(comment) + END.size > MOST_COMMENT_BYTES:
            raise ValueError("there are too many files that are in no series")
        end64 = self._size_bytes
        self._write(
            _END64.pack(
                b"PK\x06\x06", 44, _VERSION, _VERSION, 0, 0, self._count, self._count, directory_bytes, start
            )
        )
        self._write(_LOCATOR64.pack(b"PK\x06\x07", 0, end64, 1))
        self._write(END.pack(END_SIGN, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, _MOST, _MOST, len(comment)) + comment)
        os.fsync(self._fd)
        return self._size_bytes

    def _count_series(self, key: str, number: str, name: str) -> None:
        begun = {"count": 0, "digits": len(number), "offset": self._directory.tell()}
        one = self._series.setdefault(key, {**begun, "recordBytes": RECORD.size + len(name) + LONG.size})
        if int(number) != one["count"] or len(number) != one["digits"]:
            raise ValueError(f"{name} is not the next one of its series")
        if one["offset"] + one["count"] * one["recordBytes"] != self._directory.tell():
            raise ValueError(f"{name}: a series is written without others in between")
        one["count"] += 1

    def _copy(self, source: Path | bytes) -> tuple[int, int]:
        """Append the bytes; return how many there are, and their check sum."""
        if isinstance(source, bytes):
            self._write(source)
            return len(source), zlib.crc32(source)
        size_bytes = check_sum = 0
        with source.open("rb", buffering=0) as file:
            while piece := file.read(_PIECE_BYTES):
                self._write(piece)
                check_sum = zlib.crc32(piece, check_sum)
                size_bytes += len(piece)
        if size_bytes >= _MOST:
            raise ValueError(f"{source.name} is too large for one file of a package")
        return size_bytes, check_sum

    def _write(self, data: bytes) -> None:
        write_all(self._fd, [data])
        self._size_bytes += len(data)


def _record(name: str, check_sum: int, body_bytes: int, start: int) -> bytes:
    """Return the entry of a file in the directory: always of the long form, so that all have the same length."""
    head = RECORD.pack(
        *(b"PK\x01\x02", _VERSION, _VERSION, _UTF8, _STORED, 0, _DATE),
        *(check_sum, _MOST, _MOST, len(name), LONG.size, 0, 0, 0),
        *(0o644 << 16, _MOST),
    )
    return head + name.encode() + LONG.pack(1, LONG.size - 4, body_bytes, body_bytes, start)
