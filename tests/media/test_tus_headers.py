from __future__ import annotations

from base64 import b64encode
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from app.errors import BadRequest, BallastError, NotFound
from app.media.tus_headers import (
    MAX_METADATA_CHARACTERS,
    MAX_PARTS,
    concat_header,
    read_checksum,
    read_length,
    read_metadata,
    read_number,
    read_parts,
)

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=","), min_size=1, max_size=20)
UPLOAD = "0" * 32
OTHER = "f" * 32


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


@given(st.dictionaries(KEYS, st.text(st.characters(codec="utf-8"), max_size=30), max_size=5))
def test_metadata_is_read_as_it_was_meant(metadata: dict[str, str]) -> None:
    header = ",".join(f"{key} {encoded(value)}" for key, value in metadata.items())

    assert read_metadata(Headers({"Upload-Metadata": header})) == metadata


@given(st.text(st.characters(max_codepoint=255)))
def test_any_header_is_read_or_refused(text: str) -> None:
    for name in ("Upload-Metadata", "Upload-Checksum", "Upload-Concat", "Upload-Length", "Upload-Defer-Length"):
        headers = Headers(raw=[(name.lower().encode(), text.encode("latin-1"))])
        for read in (read_metadata, read_checksum, read_parts, read_length):
            with suppress(BadRequest, NotFound):
                read(headers)


@pytest.mark.parametrize("text", ["-1", "1.5", "0x10", "", "1" * 19, "\u0661"])
def test_a_size_is_digits(text: str) -> None:
    with pytest.raises(BadRequest):
        read_number(Headers(raw=[(b"upload-length", text.encode())]), "Upload-Length")


@pytest.mark.parametrize(
    "headers",
    [{}, {"Upload-Length": "1", "Upload-Defer-Length": "1"}, {"Upload-Defer-Length": "2"}],
)
def test_a_length_is_given_or_put_off(headers: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        read_length(Headers(headers))


@pytest.mark.parametrize(
    "text", ["k\u00e4y dg==", "key not-base64!", "key dg==,key dg==", "a" * (MAX_METADATA_CHARACTERS + 1), ","]
)
def test_broken_metadata_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        read_metadata(Headers({"Upload-Metadata": text}))


@pytest.mark.parametrize("text", ["crc32 AAAA", "sha1 ?", "sha1"[:3]])
def test_a_checksum_is_one_that_is_offered(text: str) -> None:
    with pytest.raises(BadRequest):
        read_checksum(Headers({"Upload-Checksum": text}))


def test_parts_are_named_by_path_or_by_url() -> None:
    header = f"final;/v1/uploads/{UPLOAD} http://example.org:1/v1/uploads/{OTHER}?x=1"

    assert read_parts(Headers({"Upload-Concat": header})) == (UPLOAD, OTHER)
    assert read_parts(Headers({"Upload-Concat": "partial"})) is None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("final;", BadRequest),
        ("whole", BadRequest),
        ("final;" + " ".join(f"/v1/uploads/{number:032x}" for number in range(MAX_PARTS + 1)), BadRequest),
        (f"final;/v1/uploads/{UPLOAD} /v1/uploads/{OTHER} http://x/v1/uploads/{UPLOAD}", BadRequest),
        ("final;http://[", BadRequest),
        ("final;/v1/uploads/../../etc/passwd", NotFound),
        (f"final;/v1/media/{UPLOAD}", NotFound),
    ],
)
def test_parts_that_are_none_are_refused(text: str, error: type[BallastError]) -> None:
    with pytest.raises(error):
        read_parts(Headers({"Upload-Concat": text}))


@given(st.lists(st.from_regex(r"[0-9a-f]{32}", fullmatch=True), min_size=1, max_size=MAX_PARTS, unique=True))
def test_parts_are_told_as_they_are_read(part_ids: list[str]) -> None:
    told = concat_header("final", part_ids)

    assert read_parts(Headers({"Upload-Concat": told})) == tuple(part_ids)


@given(st.text(st.characters(max_codepoint=255), max_size=300))
def test_whatever_is_sent_as_parts_is_read_or_refused_by_name(text: str) -> None:
    try:
        part_ids = read_parts(Headers(raw=[(b"upload-concat", f"final;{text}".encode("latin-1"))]))
    except (BadRequest, NotFound):
        return
    assert part_ids is not None
    assert 1 <= len(set(part_ids)) == len(part_ids) <= MAX_PARTS
