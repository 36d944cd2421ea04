"""Heads of requests: bounded before they are parsed, and read in one way only."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.server.head import MAX_FIELDS, MAX_HEAD_BYTES, BadHead, find_end, parse_head

LINE = b"POST /a%20b?c=d HTTP/1.1\r\n"


def test_what_a_head_says_is_read() -> None:
    head = parse_head(LINE + b"Host: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")

    assert (head.method, head.path, head.raw_path, head.query_string) == ("POST", "/a b", b"/a%20b", b"c=d")
    assert head.headers[0] == (b"host", b"x")
    assert (head.content_length, head.is_chunked, head.has_body) == (5, False, True)
    assert head.expects_continue
    assert head.keeps_alive


@pytest.mark.parametrize(
    ("line", "fields", "keeps_alive"),
    [
        (b"GET / HTTP/1.1", b"", True),
        (b"GET / HTTP/1.1", b"Connection: close\r\n", False),
        (b"GET / HTTP/1.0", b"", False),
    ],
)
def test_a_connection_is_kept_as_the_version_says(line: bytes, fields: bytes, keeps_alive: bool) -> None:
    assert parse_head(line + b"\r\n" + fields + b"\r\n").keeps_alive is keeps_alive


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: -5\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
        b"A: b\r\n c\r\nd\x00: e\r\n",
        b"A : b\r\n",
        b": b\r\n",
        b"Host: a\r\nHost: b\r\n",
    ],
)
def test_a_framing_that_can_be_read_in_two_ways_is_refused(fields: bytes) -> None:
    with pytest.raises(BadHead) as refused:
        parse_head(LINE + fields + b"\r\n")

    assert refused.value.status == 400


def test_a_body_with_chunks_is_no_part_of_http_1_0() -> None:
    with pytest.raises(BadHead):
        parse_head(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")


@pytest.mark.parametrize(
    ("method", "fields", "is_upgrade"),
    [
        (b"GET", b"Connection: Upgrade\r\nUpgrade: websocket\r\n", True),
        (b"GET", b"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n", True),
        (b"GET", b"Upgrade: websocket\r\n", False),
        (b"GET", b"Connection: Upgrade\r\nUpgrade: h2c\r\n", False),
        (b"POST", b"Connection: Upgrade\r\nUpgrade: websocket\r\n", False),
        (b"GET", b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n", False),
    ],
)
def test_only_a_get_without_a_body_becomes_a_websocket(method: bytes, fields: bytes, is_upgrade: bool) -> None:
    head = parse_head(method + b" /s HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n")

    assert head.upgrades_to_websocket is is_upgrade


def test_the_end_is_found_wherever_the_head_is_cut() -> None:
    whole = LINE + b"A: b\r\n\r\n"
    for cut in range(1, len(whole)):
        received = bytearray(whole[:cut])
        first = find_end(received, 0)
        received += whole[cut:] + b"rest"

        assert (first, find_end(received, cut)) == (0, len(whole))


def test_a_head_without_end_is_refused_in_time() -> None:
    with pytest.raises(BadHead) as refused:
        find_end(bytearray(b"GET /" + b"a" * MAX_HEAD_BYTES), 0)

    assert refused.value.status == 431


@pytest.mark.parametrize("end", [b"", b"\r\n"])
@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
def test_fields_are_counted_before_they_are_parsed(newline: bytes, end: bytes) -> None:
    with pytest.raises(BadHead) as refused:
        find_end(bytearray(LINE + (b"a: b" + newline) * (MAX_FIELDS + 2) + end), 0)

    assert refused.value.status == 431


def test_as_many_fields_as_are_allowed_are_read() -> None:
    received = bytearray(LINE + b"a: b\r\n" * MAX_FIELDS + b"\r\n")

    assert find_end(received, 0) == len(received)
    assert len(parse_head(bytes(received)).headers) == MAX_FIELDS


@given(st.binary(max_size=400))
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    with suppress(BadHead):
        assert parse_head(data + b"\r\n\r\n").method


def test_a_body_is_json_if_any_of_its_types_says_so() -> None:
    types = b"Content-Type: application/json\r\nContent-Type: x/y\r\n"

    assert parse_head(b"POST / HTTP/1.1\r\nHost: x\r\n" + types + b"Content-Length: 2\r\n\r\n").is_json
