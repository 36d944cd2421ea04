"""Forms with many files: the files are the same however the body is cut into pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadRequest
from app.http.multipart import MAX_FIELD_BYTES, MAX_PART_HEADERS
from app.http.multipart_files import file_parts
from tests.samples import form

TYPE = "multipart/form-data; boundary=b0undary"
MAX_FILES = 20

DATA = st.binary(max_size=60) | st.lists(
    st.sampled_from([b"\r", b"\n", b"-", b"--", b"\r\n--b0undar", b"--b0undary", b"x"]), max_size=12
).map(b"".join)
"""Bytes of a file, often such that look like a boundary; the real one never stands in them."""

PARTS = st.lists(st.tuples(st.sampled_from(["file", "field"]), DATA), max_size=8)


def has_no_boundary(parts: Iterable[tuple[str, bytes]]) -> bool:
    return all(b"\r\n--b0undary" not in b"\r\n" + data for _, data in parts)


async def cut(body: bytes, cuts: Iterable[int]) -> AsyncIterator[bytes]:
    ends = sorted({min(at, len(body)) for at in cuts} | {len(body)})
    for start, end in zip([0, *ends], ends, strict=False):
        if end > start:
            yield body[start:end]


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


async def read(body: AsyncIterator[bytes], files: list[bytes], max_files: int = MAX_FILES) -> None:
    """Read a form; the files that came whole are in `files`, whatever is raised afterwards."""
    async for part in file_parts(body, TYPE, max_files):
        data = b"".join([bytes(chunk) async for chunk in part.chunks])
        files.append(data)


async def files_of(body: bytes, size: int = 1000, max_files: int = MAX_FILES) -> list[bytes]:
    files: list[bytes] = []
    await read(pieces(body, size), files, max_files)
    return files


@given(PARTS.filter(has_no_boundary), st.sets(st.integers(1, 1200), max_size=40))
async def test_the_files_come_out_as_they_went_in_however_the_body_is_cut(
    parts: list[tuple[str, bytes]], cuts: set[int]
) -> None:
    files: list[bytes] = []

    await read(cut(form(*parts), cuts), files)

    assert files == [data for name, data in parts if name == "file"]


async def test_byte_by_byte_is_like_in_one_piece() -> None:
    body = form(("file", b"a" * 50), ("field", b"no"), ("file", b""), ("file", b"\r\n--b0undar"))

    assert await files_of(body, size=1) == await files_of(body, size=len(body)) == [b"a" * 50, b"", b"\r\n--b0undar"]


@given(st.binary(max_size=300), st.integers(1, 50))
async def test_no_bytes_break_it(body: bytes, size: int) -> None:
    try:
        await files_of(b"--b0undary\r\n" + body, size)
    except BadRequest:
        return


async def test_the_bytes_of_a_file_are_not_copied() -> None:
    body = form(("file", b"x" * 100_000), ("file", b"y" * 100_000))

    kinds = [
        type(chunk)
        async for part in file_parts(pieces(body, 1_000_000), TYPE, MAX_FILES)
        async for chunk in part.chunks
    ]

    assert kinds == [memoryview, memoryview]


async def test_no_more_is_read_than_is_asked_for() -> None:
    read_pieces: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        async for piece in pieces(form(*(("file", b"x" * 1000) for _ in range(10))), 500):
            read_pieces.append(piece)
            yield piece

    parts = file_parts(body(), TYPE, MAX_FILES)
    first = await anext(parts)
    await anext(first.chunks)

    assert len(read_pieces) <= 2


async def test_names_and_types_of_the_files_are_told() -> None:
    body = form(("file", b"x"), filename="F\u00e4hre %22a%22.png")

    (part,) = [(part.name, part.content_type) async for part in file_parts(pieces(body, 1000), TYPE, MAX_FILES)]

    assert part == ('F\u00e4hre "a".png', "video/mp4")


async def test_a_file_may_have_any_field_name() -> None:
    body = form(("file", b"x"), ("file", b"y")).replace(b'name="file"', b'name="pictures[]"', 1)

    assert await files_of(body) == [b"x", b"y"]


async def test_the_headers_of_one_part_are_not_those_of_the_next() -> None:
    body = form(("file", b"x"), ("file", b"y"))
    body = body[::-1].replace(b"\r\nContent-Type: video/mp4"[::-1], b"", 1)[::-1]

    types = [part.content_type async for part in file_parts(pieces(body, 7), TYPE, MAX_FILES)]

    assert types == ["video/mp4", None]


async def test_a_form_without_files_gives_none() -> None:
    assert await files_of(form(("field", b"x"))) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not a form",
        form(("file", b"x"), end=b""),
        form(("file", b"x"), end=b"--b0undary"),
        form(("file", b"x"), boundary=b"another"),
        form(("file", b"x"), ("field", b"x" * (MAX_FIELD_BYTES + 1))),
        form(*(("field", b"x" * (MAX_FIELD_BYTES // 4)) for _ in range(5))),
        form(*(("file", b"x") for _ in range(MAX_FILES + 1))),
        b"--b0undary\r\nX: " + b"y" * 5000 + b"\r\n\r\n",
        b"--b0undary\r\n" + b"X: y\r\n" * (MAX_PART_HEADERS + 1) + b"\r\n",
        b"--b0undary\r\nno header at all\r\n\r\nx\r\n--b0undary--",
        b"--b0undary\r\n\r\nx\r\n--b0undary--",
        b"--b0undary\r\nContent-Disposition: attachment; filename=x\r\n\r\nx\r\n--b0undary--",
    ],
    ids=lambda body: repr(body[:30]),
)
@pytest.mark.parametrize("size", [1, 100, 1_000_000])
async def test_a_broken_form_is_a_bad_request(body: bytes, size: int) -> None:
    with pytest.raises(BadRequest):
        await files_of(body, size)


async def test_exactly_as_many_files_as_allowed_are_taken() -> None:
    body = form(*(("file", b"x") for _ in range(3)))

    assert await files_of(body, max_files=3) == [b"x"] * 3
    with pytest.raises(BadRequest, match="more than 2 files"):
        await files_of(body, max_files=2)


@pytest.mark.parametrize(
    "size",
    [
        1,
        7,
        64,
        10_000,
    ],
)
async def test_the_files_before_the_break_come_out_whole_however_the_body_is_cut(size: int) -> None:
    body = form(("file", b"one"), ("file", b"two"), end=b"--b0undary\r\nbroken header\r\n\r\n")
    files: list[bytes] = []

    with pytest.raises(BadRequest):
        await read(pieces(body, size), files)

    assert files == [b"one", b"two"]


async def test_a_form_that_broke_within_a_file_stays_broken() -> None:
    broken = form(("file", b"one"), end=b"--b0undary\r\nbroken header\r\n\r\n")
    parts = file_parts(pieces(broken + form(("file", b"smuggled")), 5), TYPE, MAX_FILES)
    first = await anext(parts)
    assert b"".join([bytes(chunk) async for chunk in first.chunks]) == b"one"

    with pytest.raises(BadRequest):
        await anext(parts)

    with pytest.raises(StopAsyncIteration):
        await anext(parts)


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/mixed; boundary=b0undary"])
async def test_another_content_type_is_a_bad_request(content_type: str) -> None:
    with pytest.raises(BadRequest, match="multipart/form-data"):
        await anext(file_parts(pieces(form(("file", b"x")), 100), content_type, MAX_FILES))


async def test_a_part_named_file_is_a_file_even_without_a_file_name() -> None:
    """As it is where there may be one file only: `curl -F 'file=<photo.jpg'` sends no name."""
    body = form(("file", b"x"), ("file", b"y")).replace(b'; filename="clip.mp4"', b"")

    assert await files_of(body) == [b"x", b"y"]


async def test_an_encoded_file_is_refused_as_it_is_where_there_may_be_one_only() -> None:
    body = form(("file", b"eA==")).replace(b"video/mp4", b"video/mp4\r\nContent-Transfer-Encoding: base64")

    with pytest.raises(BadRequest, match="encoded"):
        await files_of(body)
