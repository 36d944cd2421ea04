from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadRequest
from app.http.multipart import MAX_FIELD_BYTES, MAX_PARTS, file_part
from tests.samples import form

TYPE = "multipart/form-data; boundary=b0undary"


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


async def parse(body: bytes, content_type: str = TYPE, size: int = 1000) -> tuple[str | None, bytes]:
    part = await file_part(pieces(body, size), content_type)
    return part.name, b"".join([bytes(chunk) async for chunk in part.chunks])


@given(
    st.binary(max_size=300) | st.lists(st.sampled_from([b"\r", b"\n", b"-", b"\r\n--b0undar", b"x"])).map(b"".join),
    st.integers(1, 400),
)
async def test_the_file_comes_out_as_it_went_in_however_the_body_is_cut(data: bytes, size: int) -> None:
    body = form(("before", b"1"), ("file", data), ("after", b"2"))

    assert await parse(body, size=size) == ("clip.mp4", data)


@given(st.binary(max_size=400), st.integers(1, 50))
async def test_no_bytes_break_it(body: bytes, size: int) -> None:
    try:
        await parse(b"--b0undary\r\n" + body, size=size)
    except BadRequest:
        return


async def test_the_bytes_of_the_file_are_not_copied() -> None:
    data = b"x" * 100_000
    part = await file_part(pieces(form(("file", data)), 1_000_000), TYPE)

    chunks = [chunk async for chunk in part.chunks]

    assert [type(chunk) for chunk in chunks] == [memoryview]


async def test_a_name_is_read_as_browsers_write_it() -> None:
    body = form(("file", b"x"), filename="F\u00e4hre %22a%22%0D%0A.mp4")

    assert (await parse(body))[0] == 'F\u00e4hre "a".mp4'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        form(),
        form(("other", b"x")),
        form(("file", b"x"), ("file", b"y")),
        form(("file", b"x"), end=b""),
        form(("file", b"x"), end=b"--b0undary"),
        form(("file", b"x"), boundary=b"another"),
        form(*(("field", b"x") for _ in range(MAX_PARTS)), ("file", b"x")),
        form(("field", b"x" * (MAX_FIELD_BYTES + 1)), ("file", b"x")),
        b"--b0undary\r\nX: " + b"y" * 5000 + b"\r\n\r\n",
        b"--b0undary\r\n" + b"X: y\r\n" * 9 + b"\r\n",
        b"--b0undary\r\nno header at all\r\n\r\nx\r\n--b0undary--",
        b"--b0undary\r\n\r\nx\r\n--b0undary--",
        b"--b0undary\r\nContent-Disposition: attachment; name=file\r\n\r\nx\r\n--b0undary--",
        form(("file", b"eA==")).replace(b"video/mp4", b"video/mp4\r\nContent-Transfer-Encoding: base64"),
        b"not a form",
    ],
    ids=lambda body: repr(body[:30]),
)
async def test_a_broken_form_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        await parse(body)


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=b0undary",
        "multipart/form-data; boundary=" + "x" * 300,
    ],
)
async def test_a_wrong_content_type_is_a_bad_request(content_type: str) -> None:
    with pytest.raises(BadRequest):
        await parse(form(("file", b"x")), content_type)


async def test_a_refused_part_ends_the_reading() -> None:
    given: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        for piece in (b"--b0undary\r\nX-Header: ", *[b"y" * 1000] * 100):
            given.append(piece)
            yield piece

    with pytest.raises(BadRequest):
        await file_part(body(), TYPE)

    assert len(given) <= 6
