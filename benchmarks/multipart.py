"""Parsers of multipart/form-data, fed in memory: CPU seconds for a gigabyte, and what they allocate beside the chunks.

    python -m benchmarks.multipart [--rounds 7] [--short]

Ours (`app/http/multipart.py`, on python-multipart), python-multipart with callbacks that only count, and `multipart`
(defnull's PushMultipartParser) where it is installed: `python -m pip install multipart==2.0.1`. The first three bodies
are one file of 8 MiB; the last two are what an attacker would send: the boundary with one more byte behind it (which no
file may contain: RFC 2046, section 5.1.1), and empty fields. A parser that refuses one is measured up to there.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import cast

from python_multipart.multipart import MultipartParser

from app.domain.units import KIB, MIB
from app.errors import BadRequest
from app.http.multipart import file_parts
from app.http.parts import MAX_HEADER_BYTES, MAX_PART_HEADERS
from benchmarks.table import MB, print_heading, print_table, span

BOUNDARY = b"----WebKitFormBoundaryx7Yq3Fq9bKZ0aB1c"
FILE_BYTES, SHORT_BYTES = 8 * MIB, MIB
CHUNK_SIZES = (64 * KIB, 512 * KIB)
GB = 1000 * MB

Pieces = Sequence[bytes]
Parse = Callable[[Pieces], None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--short", action="store_true", help="only show that it runs")
    arguments = parser.parse_args()
    rounds, size_bytes = (1, SHORT_BYTES) if arguments.short else (arguments.rounds, FILE_BYTES)
    print_heading("benchmarks.multipart", f"forms of {size_bytes // MIB} MiB, {rounds} rounds")
    parsers = _parsers()
    rows = []
    for name, body in _bodies(size_bytes).items():
        for size in CHUNK_SIZES:
            pieces = _cut(body, size)
            seconds = _cpu_seconds(list(parsers.values()), pieces, rounds)
            cells = [span([one * GB / len(body) for one in of_parser], 2) for of_parser in seconds]
            allocated = [f"{_allocated_bytes(parse, pieces) / KIB:.0f}" for parse in parsers.values()]
            rows.append([name, size // KIB, *cells, " / ".join(allocated)])
    print_table(["body", "chunk KiB", *(f"{name} s/GB" for name in parsers), "peak KiB, each"], rows)


def _bodies(size_bytes: int) -> dict[str, bytes]:
    line = b"\r\n--" + BOUNDARY
    return {
        "random": _form(random.Random(1).randbytes(size_bytes)),
        "all CRLF": _form(b"\r\n" * (size_bytes // 2)),
        "almost the boundary": _form(_repeat(line[:-1] + b"~", size_bytes)),
        "boundary and a byte": _form(_repeat(line + b"x", size_bytes)),
        "empty fields": _repeat(
            b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n', size_bytes
        )
        + line[2:]
        + b"--\r\n",
    }


def _form(data: bytes) -> bytes:
    head = b'Content-Disposition: form-data; name="file"; filename="a.mp4"\r\nContent-Type: video/mp4\r\n\r\n'
    return b"--" + BOUNDARY + b"\r\n" + head + data + b"\r\n--" + BOUNDARY + b"--\r\n"


def _repeat(piece: bytes, size_bytes: int) -> bytes:
    return piece * (size_bytes // len(piece))


def _cut(body: bytes, size: int) -> Pieces:
    """Return the body in pieces, which are bytearrays as those of server/large_body.py are."""
    return [cast("bytes", bytearray(body[at : at + size])) for at in range(0, len(body), size)]


def _parsers() -> dict[str, Parse]:
    parsers: dict[str, Parse] = {"ours": _ours, "python-multipart": _python_multipart}
    with suppress(PackageNotFoundError):  # by the distribution: python-multipart has a module of that name, too
        version("multipart")
        parsers["multipart"] = _multipart
    return parsers


def _ours(pieces: Pieces) -> None:
    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def read() -> None:
        async for part in file_parts(body(), f"multipart/form-data; boundary={BOUNDARY.decode()}", 1):
            async for _ in part.chunks:
                pass

    with suppress(BadRequest):  # it refuses more empty fields than a form may have
        asyncio.run(read())


def _python_multipart(pieces: Pieces) -> None:
    seen_bytes = 0

    def count(_data: bytes, start: int, end: int) -> None:
        nonlocal seen_bytes
        seen_bytes += end - start

    limits = {"max_header_count": MAX_PART_HEADERS, "max_header_size": MAX_HEADER_BYTES}
    parser = MultipartParser(BOUNDARY, {"on_part_data": count}, **limits)
    for piece in pieces:
        parser.write(piece)


def _multipart(pieces: Pieces) -> None:
    library = import_module("multipart")
    parser = library.PushMultipartParser(BOUNDARY, max_header_size=MAX_HEADER_BYTES)
    seen_bytes = 0
    try:
        for piece in pieces:
            for event in parser.parse(piece):
                if isinstance(event, bytes):
                    seen_bytes += len(event)
    except library.ParserError:
        pass  # it refuses a boundary with another byte behind it at once


def _cpu_seconds(parsers: Sequence[Parse], pieces: Pieces, rounds: int) -> list[list[float]]:
    """Return the CPU time of each round, for each parser; they take turns."""
    seconds: list[list[float]] = [[] for _ in parsers]
    for _ in range(rounds):
        for parse, measured in zip(parsers, seconds, strict=True):
            began = time.process_time()
            parse(pieces)
            measured.append(time.process_time() - began)
    return seconds


def _allocated_bytes(parse: Parse, pieces: Pieces) -> int:
    """Return the most that was allocated at a time while parsing, as Python's allocators count it."""
    tracemalloc.start()
    parse(pieces)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak_bytes


if __name__ == "__main__":
    main()
