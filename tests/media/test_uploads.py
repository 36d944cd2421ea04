from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from app.domain.media import MediaDetails, MediaKind
from app.domain.media_types import MP4
from app.errors import PayloadTooLarge, UnsupportedMedia
from app.media.uploads import Uploads, UploadStatistics, clean_name
from app.settings import StorageSettings, UploadSettings
from app.storage.backends.local import LocalStore
from app.storage.threads import DiskThreads
from tests.samples import mp4, png


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LocalStore]:
    disk = DiskThreads()
    store = LocalStore(StorageSettings(root=tmp_path, free_floor=0, fsync=False), disk)
    await store.open()
    yield store
    assert store.usage().reserved_bytes == 0
    assert store.temp_files.statistics().count == 0
    await store.aclose()
    await disk.aclose()


@pytest.fixture
def uploads(store: LocalStore) -> Uploads:
    return Uploads(store, UploadSettings(max_bytes=200_000, inline_max_bytes=1000))


class Pieces:
    """Gives pieces and counts how many were asked for."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = iter(pieces)
        self.given = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        for piece in self.pieces:
            self.given += 1
            return piece
        raise StopAsyncIteration


def split(data: bytes, size: int) -> Pieces:
    return Pieces(data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("size", [1, 1000, 1_000_000])
async def test_the_type_is_read_from_the_bytes_however_they_come(uploads: Uploads, size: int) -> None:
    item = await uploads.receive(split(mp4(30_000), size), "really.png", None)

    assert (item.content_type, item.kind, item.size_bytes) == ("video/mp4", MediaKind.VIDEO, 30_000)
    assert item.name == "really.png"


async def test_the_size_of_a_picture_is_read_from_its_header(uploads: Uploads) -> None:
    item = await uploads.receive(split(png(30, 20), 7), None, None)

    assert item.details == MediaDetails(width=30, height=20)
    assert item.name == "image.png"


async def test_a_picture_with_a_broken_header_is_stored_without_its_size(uploads: Uploads) -> None:
    item = await uploads.receive(split(png()[:20], 7), None, None)

    assert item.details == MediaDetails()


async def test_a_type_that_is_not_accepted_is_refused_before_the_rest_is_read(
    uploads: Uploads, store: LocalStore
) -> None:
    pieces = split(b"just text " * 10_000, 1000)

    with pytest.raises(UnsupportedMedia):
        await uploads.receive(pieces, "photo.jpg", None)

    assert pieces.given == 5
    assert (await store.page(10)).items == ()


async def test_nothing_at_all_is_unsupported(uploads: Uploads) -> None:
    with pytest.raises(UnsupportedMedia):
        await uploads.receive(Pieces([]), None, 0)


async def test_a_size_over_the_cap_is_refused_while_counting(uploads: Uploads, store: LocalStore) -> None:
    pieces = split(mp4(400_000), 10_000)

    with pytest.raises(PayloadTooLarge):
        await uploads.receive(pieces, None, None)

    assert pieces.given == 21
    assert (await store.page(10)).items == ()


async def test_the_statistics_show_what_is_coming_in(uploads: Uploads) -> None:
    seen: list[UploadStatistics] = []

    async def watched() -> AsyncIterator[bytes]:
        async for piece in split(mp4(30_000), 10_000):
            seen.append(uploads.statistics())
            yield piece

    await uploads.receive(watched(), None, None)

    assert seen == [UploadStatistics(1, 0), UploadStatistics(1, 10_000), UploadStatistics(1, 20_000)]
    assert uploads.statistics() == UploadStatistics(0, 0)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("holiday.mp4", "holiday.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\clip.mp4", "clip.mp4"),
        ("a\r\nSet-Cookie: x\0.mp4", "aSet-Cookie: x.mp4"),
        ("\u202egpj.exe", "gpj.exe"),
        ("..", "video.mp4"),
        ("", "video.mp4"),
        (None, "video.mp4"),
        ("Überfahrt 日本.mp4", "Überfahrt 日本.mp4"),
        ("x" * 300 + ".mp4", "x" * 183 + ".mp4"),
        ("y" * 300, "y" * 200),
    ],
)
def test_names_keep_what_is_harmless(given: str | None, kept: str) -> None:
    assert clean_name(given, MP4) == kept
