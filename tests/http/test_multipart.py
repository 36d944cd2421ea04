"""Forms with one file and with many: the files are the same however the body is cut into pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadRequest
from app.http.multipart import FilePart, file_part, file_parts
from app.http.parts import FRAMING_BYTES, MAX_FIELD_BYTES, MAX_PART_HEADERS, MAX_PARTS
from tests.samples import form

TYPE = "multipart/form-data; boundary=b0undary"
MAX_FILES = 20

DATA = st.binary(max_size=300) | st.lists(
    st.sampled_from([b"\r", b"\n", b"-", b"--", b"\r\n", b"\r\n--b0undar", b"--b0undary", b"x"]), max_size=12
).map(b"".join)
"""Bytes of a file, often such that look like a boundary."""

PARTS = st.lists(st.tuples(st.sampled_from(["file", "field"]), DATA), max_size=8)


def has_no_boundary(data: bytes) -> bool:
    return b"\r\n--b0undary" not in b"\r\n" + data


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


async def cut(body: bytes, cuts: Iterable[int]) -> AsyncIterator[bytes]:
    ends = sorted({min(at, len(body)) for at in cuts} | {len(body)})
    for start, end in zip([0, *ends], ends, strict=False):
        if end > start:
            yield body[start:end]


async def file_of(body: bytes, size: int = 1000, content_type: str = TYPE) -> bytes:
    """Read a form with one file."""
    part = await file_part(pieces(body, size), content_type)
    return b"".join([bytes(chunk) async for chunk in part.chunks])


async def files_of(body: bytes, size: int = 1000, content_type: str = TYPE, max_files: int = MAX_FILES) -> list[bytes]:
    """Read a form with many files."""
    files: list[bytes] = []
    await read(file_parts(pieces(body, size), content_type, max_files), files)
    return files


async def read(parts: AsyncIterator[FilePart], files: list[bytes]) -> None:
    """Add the files that come whole to `files`, whatever is raised afterwards."""
    async for part in parts:
        files.append(b"".join([bytes(chunk) async for chunk in part.chunks]))


Reader = Callable[..., Awaitable[object]]
both = pytest.mark.parametrize("read_form", [file_of, files_of])


# Any form


@both
@given(body=st.binary(max_size=400), size=st.integers(1, 50))
async def test_no_bytes_break_it(read_form: Reader, body: bytes, size: int) -> None:
    try:
        await read_form(b"--b0undary\r\n" + body, size)
    except BadRequest:
        return


BROKEN = [
    b"",
    b"not a form",
    form(("file", b"x"), end=b""),
    form(("file", b"x"), end=b"--b0undary"),
    form(("file", b"x"), boundary=b"another"),
    form(("field", b"x" * (MAX_FIELD_BYTES + 1)), ("file", b"x")),
    form(("file", b"x"), ("field", b"x" * (MAX_FIELD_BYTES + 1))),
    form(("file", b"x"), *(("field", b"x" * (MAX_FIELD_BYTES // 4)) for _ in range(5))),
    form(("file", b"eA==")).replace(b"video/mp4", b"video/mp4\r\nContent-Transfer-Encoding: base64"),
    b"--b0undary\r\nX: " + b"y" * 5000 + b"\r\n\r\n",
    b"--b0undary\r\n" + b"X: y\r\n" * (MAX_PART_HEADERS + 1) + b"\r\n",
    b"--b0undary\r\nno header at all\r\n\r\nx\r\n--b0undary--",
    b"--b0undary\r\n\r\nx\r\n--b0undary--",
    b"--b0undary\r\nContent-Disposition: attachment; name=file\r\n\r\nx\r\n--b0undary--",
    b"--b0undary\r\nContent-Disposition: attachment; filename=x\r\n\r\nx\r\n--b0undary--",
]


@both
@pytest.mark.parametrize("body", BROKEN, ids=lambda body: repr(body[:30]))
@pytest.mark.parametrize("size", [1, 100, 1_000_000])
async def test_a_broken_form_is_a_bad_request(read_form: Reader, body: bytes, size: int) -> None:
    with pytest.raises(BadRequest):
        await read_form(body, size)


@both
@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("", "multipart/form-data"),
        ("application/json", "multipart/form-data"),
        ("multipart/form-data", "boundary"),
        ("multipart/form-data; boundary=", "boundary"),
        ("multipart/mixed; boundary=b0undary", "multipart/form-data"),
        ("multipart/form-data; boundary=" + "x" * 300, "too long"),
    ],
)
async def test_a_wrong_content_type_is_a_bad_request(read_form: Reader, content_type: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        await read_form(form(("file", b"x")), 1000, content_type)


@both
@pytest.mark.parametrize(
    "around",
    [
        lambda body: b"\r\n" * FRAMING_BYTES + body,
        lambda body: body + b"\r\n" * FRAMING_BYTES,
        lambda body: body + b"x" * (2 * FRAMING_BYTES),
    ],
    ids=["before", "after", "junk after"],
)
async def test_what_stands_around_the_parts_is_bounded(read_form: Reader, around: Callable[[bytes], bytes]) -> None:
    with pytest.raises(BadRequest, match="besides its files"):
        await read_form(around(form(("file", b"x"))), 65536)


@both
async def test_a_body_that_never_begins_its_form_is_read_no_further_than_a_form_may_have_besides(
    read_form: Reader,
) -> None:
    given: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        while True:
            given.append(65536)
            yield b"\r\n" * 32768

    with pytest.raises(BadRequest):
        await (file_part(body(), TYPE) if read_form is file_of else anext(file_parts(body(), TYPE, MAX_FILES)))

    assert sum(given) <= FRAMING_BYTES + 65536


@both
async def test_an_encoded_file_is_refused_as_such(read_form: Reader) -> None:
    body = form(("file", b"eA==")).replace(b"video/mp4", b"video/mp4\r\nContent-Transfer-Encoding: base64")

    with pytest.raises(BadRequest, match="encoded"):
        await read_form(body)


async def test_names_and_types_are_read_as_browsers_write_them() -> None:
    body = form(("file", b"x"), filename="F\u00e4hre %22a%22%0D%0A.mp4")

    one = await file_part(pieces(body, 1000), TYPE)
    (of_many,) = [part async for part in file_parts(pieces(body, 1000), TYPE, MAX_FILES)]

    assert (one.name, one.content_type) == ('F\u00e4hre "a".mp4', "video/mp4")
    assert (of_many.name, of_many.content_type) == (one.name, one.content_type)


async def test_the_bytes_of_files_are_not_copied() -> None:
    one = await file_part(pieces(form(("file", b"x" * 100_000)), 1_000_000), TYPE)
    two = file_parts(pieces(form(("file", b"x" * 100_000), ("file", b"y" * 100_000)), 1_000_000), TYPE, MAX_FILES)

    assert [type(chunk) async for chunk in one.chunks] == [memoryview]
    assert [type(chunk) async for part in two async for chunk in part.chunks] == [memoryview, memoryview]


async def test_chunks_that_are_all_file_are_handed_on_as_they_are() -> None:
    chunk = b"x" * 1000

    async def body() -> AsyncIterator[bytes]:
        head, end = form(("file", b"|")).split(b"|")
        for piece in (head, chunk, end):
            yield piece

    part = await file_part(body(), TYPE)

    assert await anext(part.chunks) is chunk


# One file


@given(DATA.filter(has_no_boundary), st.integers(1, 400))
async def test_the_file_comes_out_as_it_went_in_however_the_body_is_cut(data: bytes, size: int) -> None:
    assert await file_of(form(("before", b"1"), ("file", data), ("after", b"2")), size) == data


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (form(), "no part named"),
        (form(("other", b"x")), "no part named"),
        (form(("file", b"x")).replace(b'name="file"', b'name="other"'), "no part named"),
        (form(("file", b"x"), ("file", b"y")), "second part named"),
        (form(*(("field", b"x") for _ in range(MAX_PARTS)), ("file", b"x")), f"more than {MAX_PARTS} parts"),
        (form(("file", b"x"), *(("field", b"x") for _ in range(MAX_PARTS))), f"more than {MAX_PARTS} parts"),
    ],
)
async def test_a_form_without_one_file_or_of_too_many_parts_is_a_bad_request(body: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        await file_of(body)


async def test_as_many_parts_as_allowed_are_taken() -> None:
    assert await file_of(form(*(("field", b"x") for _ in range(MAX_PARTS - 1)), ("file", b"x"))) == b"x"


async def test_a_refused_part_ends_the_reading() -> None:
    given: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        for piece in (b"--b0undary\r\nX-Header: ", *[b"y" * 1000] * 100):
            given.append(piece)
            yield piece

    with pytest.raises(BadRequest):
        await file_part(body(), TYPE)

    assert len(given) <= 6


# Many files


@given(
    PARTS.filter(lambda parts: all(has_no_boundary(data) for _, data in parts)),
    st.sets(st.integers(1, 3000), max_size=40),
)
async def test_the_files_come_out_as_they_went_in_however_the_body_is_cut(
    parts: list[tuple[str, bytes]], cuts: set[int]
) -> None:
    files: list[bytes] = []

    await read(file_parts(cut(form(*parts), cuts), TYPE, MAX_FILES), files)

    assert files == [data for name, data in parts if name == "file"]


async def test_byte_by_byte_is_like_in_one_piece() -> None:
    body = form(("file", b"a" * 50), ("field", b"no"), ("file", b""), ("file", b"\r\n--b0undar"))

    assert await files_of(body, size=1) == await files_of(body, size=len(body)) == [b"a" * 50, b"", b"\r\n--b0undar"]


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


async def test_a_file_may_have_any_field_name() -> None:
    body = form(("file", b"x"), ("file", b"y")).replace(b'name="file"', b'name="pictures[]"', 1)

    assert await files_of(body) == [b"x", b"y"]


async def test_a_part_named_file_is_a_file_even_without_a_file_name() -> None:
    """As it is where there may be one file only."""
    body = form(("file", b"x"), ("file", b"y")).replace(b'; filename="clip.mp4"', b"")

    assert await files_of(body) == [b"x", b"y"]


async def test_the_headers_of_one_part_are_not_those_of_the_next() -> None:
    body = form(("file", b"x"), ("file", b"y"))
    body = body[::-1].replace(b"\r\nContent-Type: video/mp4"[::-1], b"", 1)[::-1]

    types = [part.content_type async for part in file_parts(pieces(body, 7), TYPE, MAX_FILES)]

    assert types == ["video/mp4", None]


async def test_a_form_without_files_gives_none() -> None:
    assert await files_of(form(("field", b"x"))) == []


async def test_exactly_as_many_files_as_allowed_are_taken() -> None:
    body = form(*(("file", b"x") for _ in range(3)))

    assert await files_of(body, max_files=3) == [b"x"] * 3
    with pytest.raises(BadRequest, match="more than 2 files"):
        await files_of(body, max_files=2)


@pytest.mark.parametrize("name", ["field", ""])
async def test_parts_that_are_no_files_count_too_however_empty_they_are(name: str) -> None:
    allowed = form(*((name, b"") for _ in range(MAX_PARTS + 2)), ("file", b"x"), ("file", b"y"))
    more = form(*((name, b"") for _ in range(MAX_PARTS + 3)), ("file", b"x"), ("file", b"y"))

    assert await files_of(allowed, max_files=4) == [b"x", b"y"]
    with pytest.raises(BadRequest, match=f"more than {MAX_PARTS + 4} parts"):
        await files_of(more, max_files=4)


async def test_empty_fields_without_end_are_read_no_further_than_a_form_may_have_besides() -> None:
    field = form(("field", b"")).removesuffix(b"--b0undary--\r\n")
    body = field * (2 * FRAMING_BYTES // len(field))
    given: list[int] = []

    async def counted() -> AsyncIterator[bytes]:
        async for piece in pieces(body, 4096):
            given.append(len(piece))
            yield piece

    with pytest.raises(BadRequest, match="besides its files"):
        await anext(file_parts(counted(), TYPE, 100_000))

    assert sum(given) <= FRAMING_BYTES + 4096


async def test_each_file_brings_room_for_its_own_headers() -> None:
    count = FRAMING_BYTES // 3000
    body = form(*(("file", b"x") for _ in range(count)), filename="n" * 3500)

    assert len(body) > FRAMING_BYTES
    assert await files_of(body, 65536, max_files=count) == [b"x"] * count


async def test_the_bytes_of_files_are_not_counted_as_what_stands_around_them() -> None:
    data = b"x" * (3 * FRAMING_BYTES)

    assert await files_of(form(("file", data), ("file", data)), 65536) == [data, data]
    assert await file_of(form(("file", data)), 65536) == data


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
async def test_the_files_before_the_break_come_out_whole_however_the_body_is_cut(size: int) -> None:
    body = form(("file", b"one"), ("file", b"two"), end=b"--b0undary\r\nbroken header\r\n\r\n")
    files: list[bytes] = []

    with pytest.raises(BadRequest):
        await read(file_parts(pieces(body, size), TYPE, MAX_FILES), files)

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
