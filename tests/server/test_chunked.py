"""The chunked coding: decoded however it is cut, and bounded where nothing is body."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.server.chunked import BadChunk, ChunkedDecoder

chunks = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


def decode(data: bytes, cuts: list[int]) -> tuple[bytes, bytes, bool]:
    """Feed the pieces between the cuts; return the body, what follows it, and whether it has ended."""
    decoder = ChunkedDecoder()
    body = b""
    bounds = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(bounds):
        part, rest = decoder.feed(data[start:end])
        body += part
        if decoder.is_done:
            return body, rest + data[end:], True
    return body, b"", False


def feed_often(decoder: ChunkedDecoder, data: bytes) -> None:
    for _ in range(10_000):
        decoder.feed(data)


@given(chunks, st.sampled_from([b"", b";a=b", b"  "]), st.lists(st.binary(max_size=9)), st.lists(st.integers(0, 999)))
def test_a_body_is_what_was_sent_however_it_is_cut(
    parts: list[bytes], extension: bytes, trailers: list[bytes], cuts: list[int]
) -> None:
    fields = b"".join(b"t: " + one.hex().encode() + b"\r\n" for one in trailers)
    data = b"".join(b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts) + b"0\r\n" + fields + b"\r\n"

    assert decode(data + b"GET", cuts) == (b"".join(parts), b"GET", True)


@given(st.integers(1, 12), st.binary(min_size=100, max_size=400), st.lists(st.integers(0, 5000)))
def test_small_chunks_of_the_same_size_are_read_however_they_are_cut(size: int, body: bytes, cuts: list[int]) -> None:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    data = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"

    assert decode(data + b"GET", cuts) == (body, b"GET", True)


@pytest.mark.parametrize(
    "data",
    [
        b"x\r\n",
        b"\r\n",
        b"\r\n1\r\nx\r\n1\r\ny\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5\nhello\n0\n\n",
        b"5\r\nhelloworld\r\n",
        b"fffffffffffffffff\r\n",
        b"5;" + b"a" * 300 + b"\r\nhello\r\n",
        b"5" + b" " * 300,
    ],
)
def test_what_is_not_the_coding_is_refused(data: bytes) -> None:
    with pytest.raises(BadChunk):
        ChunkedDecoder().feed(data)


@pytest.mark.parametrize("line", [b"t: " + b"x" * 50 + b"\r\n", b"t\r\n", b"t" * 500])
def test_trailers_without_end_are_refused(line: bytes) -> None:
    decoder = ChunkedDecoder()
    decoder.feed(b"0\r\n")

    with pytest.raises(BadChunk):
        feed_often(decoder, line)


def test_extensions_that_outweigh_the_body_are_refused() -> None:
    decoder = ChunkedDecoder()

    with pytest.raises(BadChunk):
        feed_often(decoder, b"1;" + b"a" * 200 + b"\r\nx" + b"\r\n")


def test_chunks_of_one_byte_are_read() -> None:
    body, _ = ChunkedDecoder().feed(b"1\r\nx\r\n" * 50_000)

    assert body == b"x" * 50_000
