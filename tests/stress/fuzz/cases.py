"""Cases of the fuzz: which bytes are sent in which pieces, and how the connection ends. Made of a seed and a number."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.stress.fuzz.recorded import Recording

_TOKENS = (
    b"\r\n", b"\n", b"\r", b"\x00", b"\r\n\r\n", b" ", b"\t", b":", b";", b",", b"%00", b"%", b"..", b"//",
    b"\xff\xfe", b"\xc3\xa9", b"{", b"[", b'"', b"null", b"NaN", b"1e999",
    b"Content-Length: 5\r\n", b"Content-Length: 18446744073709551616\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Host: evil\r\n", b"Connection: close\r\n", b"Upgrade: websocket\r\n", b"Upgrade: h2c\r\n",
    b"Expect: 100-continue\r\n", b"Range: bytes=0-\r\n", b"Content-Encoding: gzip\r\n", b"Origin: null\r\n",
    b"Content-Type: application/json\r\n", b"X-Request-Id: \x7f\r\n",
    b"0\r\n\r\n", b"FFFFFFFFFFFFFFFF\r\n", b"--b0undary\r\n", b"--b0undary--\r\n",
    b"\x89\x80\x00\x00\x00\x00", b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x00\x80\x00\x00\x00\x00", b"\x88\x80\x00\x00\x00\x00",
)  # fmt: skip
"""Words of HTTP, JSON, multipart and RFC 6455 that change what the bytes around them mean."""

_NUMBERS = (
    b"0", b"-1", b"+1", b"1", b"00", b"0x10", b"65536", b"2147483648", b"4294967296", b"9223372036854775808", b"1e9",
    b"9" * 400,
)  # fmt: skip
_ENDINGS = ("read", "read", "close", "half-close", "reset")
_DIGITS = re.compile(rb"\d+")
_LARGEST_BYTES = 400_000

Mutation = Callable[[random.Random, bytes, Sequence[Recording]], bytes]


@dataclass(frozen=True, slots=True)
class Case:
    """`pieces` are sent one after the other; `ending` is read, close, half-close or reset."""

    number: int
    name: str
    pieces: tuple[bytes, ...]
    ending: str


def make_case(seed: str, number: int, known: Sequence[Recording]) -> Case:
    """Return the case of this number: always the same for one seed."""
    rng = random.Random(f"{seed}:{number}")
    recording = rng.choice(known)
    head, rest = recording.head, recording.rest
    if recording.is_stream and rng.random() < 0.8:  # else few would get past the handshake
        rest = _mutate(rng, rest, known)
    else:
        whole = _mutate(rng, head + rest, known)
        head, rest = whole[: len(head)], whole[len(head) :]
    return Case(number, recording.name, (head, *_cut(rng, rest)), rng.choice(_ENDINGS))


def _mutate(rng: random.Random, data: bytes, known: Sequence[Recording]) -> bytes:
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        data = rng.choice(_MUTATIONS)(rng, data, known)[:_LARGEST_BYTES]
    return data


def _cut(rng: random.Random, data: bytes) -> list[bytes]:
    """Cut into some pieces; rarely into many small ones."""
    if not data:
        return []
    count = rng.choice((1, 1, 2, 4, min(40, len(data))))
    marks = sorted({0, len(data), *(rng.randrange(len(data)) for _ in range(count - 1))})
    return [data[start:end] for start, end in itertools.pairwise(marks)]


def _place(rng: random.Random, data: bytes) -> int:
    """Return a place, more often one near the beginning, where heads and lengths are."""
    return rng.randrange(min(len(data), 600) if rng.random() < 0.7 else len(data)) if data else 0


def _flip(rng: random.Random, data: bytes, _known: Sequence[Recording]) -> bytes:
    at = _place(rng, data)
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :] if data else data


def _overwrite(rng: random.Random, data: bytes, _known: Sequence[Recording]) -> bytes:
    at, size = _place(rng, data), rng.choice((1, 2, 4, 16, 64))
    return data[:at] + rng.randbytes(size) + data[at + size :]


def _drop(rng: random.Random, data: bytes, _known: Sequence[Recording]) -> bytes:
    at = _place(rng, data)
    return data[:at] + data[at + rng.choice((1, 2, 8, 50, 1000)) :]


def _repeat(rng: random.Random, data: bytes, _known: Sequence[Recording]) -> bytes:
    at, size = _place(rng, data), rng.choice((1, 2, 8, 30, 200))
    return data[:at] + data[at : at + size] * rng.choice((2, 3, 10, 500)) + data[at + size :]


def _insert(rng: random.Random, data: bytes, _known: Sequence[Recording]) -> bytes:
    at = _place(rng, data)
    return data[:at] + rng.choice(_TOKENS) + data[at:]


def _insert_line(rng: random.Random, data: bytes, _known: Sequence[Recording]) -> bytes:
    places = [found.end() for found in re.finditer(rb"\r\n", data[:2000])]
    at = rng.choice(places) if places else 0
    return data[:at] + rng.choice(_TOKENS) + data[at:]


def _renumber(rng: random.Random, data: bytes, _known: Sequence[Recording]) -> bytes:
    numbers = list(_DIGITS.finditer(data[:2000]))
    if not numbers:
        return data
    one = rng.choice(numbers)
    return data[: one.start()] + rng.choice(_NUMBERS) + data[one.end() :]


def _truncate(rng: random.Random, data: bytes, _known: Sequence[Recording]) -> bytes:
    return data[: _place(rng, data)]


def _splice(rng: random.Random, data: bytes, known: Sequence[Recording]) -> bytes:
    other = rng.choice(known)
    foreign = other.head + other.rest
    return data[: _place(rng, data)] + foreign[_place(rng, foreign) :]


def _append(rng: random.Random, data: bytes, known: Sequence[Recording]) -> bytes:
    other = rng.choice(known)
    return data + other.head + other.rest


_MUTATIONS: tuple[Mutation, ...] = (
    _flip, _overwrite, _drop, _repeat, _insert, _insert_line, _renumber, _truncate, _splice, _append,
)  # fmt: skip
