from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import RangeNotSatisfiable
from app.http.ranges import ByteRange, parse_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 100)),
        ("bytes=10-", (10, 90)),
        ("bytes=90-1000", (90, 10)),
        ("bytes=-1", (99, 1)),
        ("bytes=-1000", (0, 100)),
        ("BYTES= 5-6 ", (5, 2)),
        ("bytes=0-9999999999999999999", (0, 100)),
    ],
)
def test_one_range_is_obeyed(header: str, expected: tuple[int, int]) -> None:
    assert parse_range(header, 100) == ByteRange(*expected, 100)


@pytest.mark.parametrize(
    "header",
    [None, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "lines=0-1", "bytes=0-1,5-6", "bytes=+1-2"],
)
def test_what_is_no_single_range_is_ignored(header: str | None) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.parametrize(
    "header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=" + "0-1," * 8, "bytes=0-" + "1" * 300]
)
def test_what_cannot_be_given_and_what_is_an_attack_is_refused(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_range(header, 100)


def test_the_content_range_names_the_last_byte() -> None:
    assert ByteRange(5, 10, 100).content_range == "bytes 5-14/100"


@given(st.text(max_size=40) | st.from_regex(r"bytes=\d{0,3}-\d{0,3}", fullmatch=True), st.integers(1, 200))
def test_a_range_always_lies_inside(header: str, size: int) -> None:
    try:
        found = parse_range(header, size)
    except RangeNotSatisfiable:
        return

    assert found is None or (found.offset >= 0 and found.length >= 1 and found.offset + found.length <= size)
