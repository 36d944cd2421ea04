"""Lists of media ids: read in pieces of any size, kept on the disk, and refused where they are something else."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.media import MediaKind
from app.errors import BadRequest, BallastError, InvalidParameter
from app.storage.ids import new_id
from app.storage.spool import Spool, open_spool
from app.storage.threads import DiskThreads
from app.vision.media_list import listed_ids, receive_list
from tests.storage.scratches import scratch_in

MAX_ENTRIES = 100_000
NO_ID = "-" * 22
IDS = [new_id(MediaKind.IMAGE, datetime.now(UTC)) for _ in range(3)]


@pytest.fixture
async def entries(tmp_path: Path) -> AsyncIterator[Spool]:
    disk = DiskThreads(threads=1)
    temp_files, scratch = scratch_in(tmp_path / "tmp", disk)
    await temp_files.open()
    async with open_spool("list", "me", scratch, disk) as spool:
        yield spool
    await disk.aclose()


class Kept(Spool):
    """A spool without a disk."""

    def __init__(self) -> None:
        self.written = b""

    async def write(self, line: bytes) -> None:
        self.written += line

    def end(self, last: bytes = b"") -> None: ...


async def pieces(text: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(text), size):
        yield text[at : at + size]


async def read(text: bytes, size: int = 1000, max_entries: int = MAX_ENTRIES) -> list[str]:
    spool = Kept()
    await receive_list(pieces(text, size), spool, max_entries)
    return [spool.written[at : at + 22].decode() for at in range(0, len(spool.written), 22)]


def of(*ids: Any) -> bytes:
    return json.dumps({"media": ids}).encode()


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_ids_are_read_in_pieces_of_any_size(size: int) -> None:
    assert await read(of(*IDS), size) == IDS


async def test_what_is_no_id_keeps_its_place(entries: Spool) -> None:
    await receive_list(pieces(of(IDS[0], "x", "", "../../lock", IDS[1], 'a"b'), 10), entries, MAX_ENTRIES)

    assert [one async for one in listed_ids(entries)] == [IDS[0], NO_ID, NO_ID, NO_ID, IDS[1], NO_ID]


@pytest.mark.parametrize("size", [7, 1000])
async def test_runs_of_texts_that_are_no_ids_are_counted_between_ids(size: int) -> None:
    listed = [*["short"] * 40, IDS[0], *["a, b"] * 3, IDS[1], IDS[2].upper(), *["x" * 23, "\\", "é"] * 20, IDS[2]]

    found = await read(json.dumps({"media": listed}, ensure_ascii=False).encode(), size)

    assert found == [text if text in IDS else NO_ID for text in listed]


async def test_an_id_may_be_written_with_escapes() -> None:
    escaped = "".join(f"\\u{ord(character):04x}" for character in IDS[0])

    assert await read(b'{"\\u006dedia": ["' + escaped.encode() + b'"]}') == [IDS[0]]


async def test_a_long_list_takes_no_memory_of_its_size(entries: Spool) -> None:
    text = of(*(new_id(MediaKind.IMAGE, datetime.now(UTC)) for _ in range(20_000)))
    tracemalloc.start()
    await receive_list(pieces(text, 64 * 1024), entries, MAX_ENTRIES)
    count = 0
    async for _ in listed_ids(entries):
        count += 1
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert count == 20_000
    assert peak_bytes < 300_000 < len(text)


@pytest.mark.parametrize(
    "text",
    [
        b"", b" ", b"{", b'{"media"', b'{"media":', b'{"media": [', b'{"media": ["x"', b'{"media": ["x",',
        b'{"media": ["x"]', b'{"media": ["x"]}}', b'{"media": ["x"]} 1',
        b'{"media": ["x",]}', b'{"media": ["x" "y"]}', b'{"media" ["x"]}',
        b'{media: ["x"]}', b"\xff", b'{"media": ["\xff"]}', b'{"media": ["\\x"]}', b'{"media": ["a\nb"]}',
        b'{"media": ["x',
        b"\xef\xbb\xbf{}", b"hello", b",", b"}", b'{"media": ["x"}', b'{"media": ["x":1]}',
    ],
)  # fmt: skip
async def test_what_is_no_json_is_a_bad_request(text: bytes) -> None:
    with pytest.raises(BadRequest):
        await read(text)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (b"[]", ["media"]), (b"17", ["media"]), (b'"x"', ["media"]), (b"null", ["media"]), (b"{}", ["media"]),
        (b'{"media": "x"}', ["media"]), (b'{"media": {}}', ["media"]), (b'{"media": null}', ["media"]),
        (b'{"media": []}', ["media", 0]), (b'{"media": [1]}', ["media", 0]), (b'{"media": ["x", ["y"]]}', ["media", 1]),
        (b'{"media": ["x", null]}', ["media", 1]), (b'{"other": ["x"]}', ["media"]),
        (b'{"media": ["x"], "more": 1}', ["media"]), (b'{"media": ["' + b"x" * 2000 + b'"]}', ["media", 0]),
        (b'{"media": ["a", "b", "c", "d"]}', ["media", 3]),
    ],
    ids=lambda value: repr(value[:40]),
)  # fmt: skip
async def test_another_document_is_told_with_its_place(text: bytes, where: list[str | int]) -> None:
    with pytest.raises(InvalidParameter) as caught:
        await read(text, max_entries=3)

    assert caught.value.extra["errors"][0]["where"] == where  # type: ignore[index]
    assert len(caught.value.extra["errors"]) == 1  # type: ignore[arg-type]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(IDS),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["media", "x"]), inner, max_size=2),
    ),
    st.integers(1, 30),
    st.sampled_from([None, 1]),
)
async def test_only_a_list_of_texts_is_read(document: Any, size: int, indent: int | None) -> None:
    text = json.dumps(document, indent=indent).encode()
    is_list = isinstance(document, dict) and document.keys() == {"media"} and isinstance(document["media"], list)
    is_list = is_list and bool(document["media"]) and all(isinstance(one, str) for one in document["media"])
    try:
        found = await read(text, size)
    except InvalidParameter:
        assert not is_list
    else:
        assert is_list
        assert found == [one if one in IDS else NO_ID for one in document["media"]]


@given(st.text(alphabet=st.sampled_from('{}[]:,"mediax\\ 1\n'), max_size=40), st.integers(1, 9))
async def test_any_text_is_a_list_or_a_problem(text: str, size: int) -> None:
    try:
        found = await read(text.encode(), size)
    except BallastError:
        return
    assert len(found) == len(json.loads(text)["media"])
