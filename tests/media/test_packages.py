"""Packages: archives that others read, and whose files are found one by one without reading the rest."""

from __future__ import annotations

import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.media import MediaItem, MediaKind
from app.errors import InvalidMedia, NotFound
from app.media.package_writer import PackageWriter
from app.media.packages import HLS_PACKAGE, open_packaged
from app.storage.backend import CHUNK_BYTES, MediaReader

_FILES = {
    "master.m3u8": b"#EXTM3U\n",
    "720p/index.m3u8": b"#EXTM3U\n#",
    "720p/init.mp4": b"\0\0\0\x18ftyp",
    **{f"720p/{number:05d}.m4s": b"%d" % number * (number + 1) for number in range(300)},
    "audio/init.mp4": b"sound",
    **{f"audio/{number:05d}.m4s": b"a%d" % number for number in range(20)},
}


class Bytes(MediaReader):
    """A stored package that counts what is read of it."""

    def __init__(self, data: bytes, content_type: str = HLS_PACKAGE.content_type) -> None:
        self.data = data
        self.read_bytes = 0
        self.item = MediaItem(
            id="o" + "0" * 21,
            timestamp_key="",
            name="film.zip",
            content_type=content_type,
            kind=MediaKind.OTHER,
            size_bytes=len(data),
            sha256="0" * 64,
            path="",
            created_at=datetime.now(UTC),
        )

    async def open(self) -> None: ...

    async def chunks(self, offset: int, length: int, chunk_bytes: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
        for at in range(offset, offset + length, chunk_bytes):
            piece = self.data[at : min(at + chunk_bytes, offset + length)]
            self.read_bytes += len(piece)
            yield piece


def packed(folder: Path, files: dict[str, bytes] = _FILES) -> bytes:
    path = folder / "film.zip"
    package = PackageWriter(path)
    try:
        for name, data in files.items():
            package.add(name, data)
        assert package.finish() == path.stat().st_size
    finally:
        package.close()
    assert [one.name for one in folder.iterdir()] == ["film.zip"]
    return path.read_bytes()


async def content(reader: MediaReader) -> bytes:
    return b"".join([chunk async for chunk in reader.chunks(0, reader.item.size_bytes)])


def test_anybody_can_unpack_it(tmp_path: Path) -> None:
    packed(tmp_path)

    with zipfile.ZipFile(tmp_path / "film.zip") as package:
        assert package.testzip() is None
        assert {name: package.read(name) for name in package.namelist()} == _FILES


async def test_every_file_is_found_by_its_name_and_no_other_is_read(tmp_path: Path) -> None:
    data = packed(tmp_path)

    for name, wanted in _FILES.items():
        whole = Bytes(data)
        file = await open_packaged(whole, name)
        assert whole.read_bytes <= 8192 + 100
        assert await content(file) == wanted
        assert file.item.size_bytes == len(wanted)


async def test_each_file_has_its_own_tag_and_type(tmp_path: Path) -> None:
    whole = Bytes(packed(tmp_path))

    files = [await open_packaged(whole, name) for name in ("master.m3u8", "720p/init.mp4", "720p/00001.m4s")]

    assert [file.item.content_type for file in files] == [
        *("application/vnd.apple.mpegurl", "video/mp4", "video/iso.segment")
    ]
    assert len({file.item.sha256 for file in files}) == 3


@pytest.mark.parametrize(
    "name",
    ["720p/00300.m4s", "720p/0001.m4s", "720p/000001.m4s", "../x.m4s", "720p/../master.m3u8", "", "/", "master.m3u8\n"],
)
async def test_what_is_not_in_it_is_not_found(tmp_path: Path, name: str) -> None:
    whole = Bytes(packed(tmp_path))

    with pytest.raises(NotFound):
        await open_packaged(whole, name)


async def test_an_item_of_another_type_is_no_package(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await open_packaged(Bytes(packed(tmp_path), "video/mp4"), "master.m3u8")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"offset":', b'"offsex":'),
        (b'{"files":', b'["files":'),
        (b'"recordBytes":', b'"recordBytes":9'),
        (b"PK\x05\x06", b"PKxx"),
    ],
)
async def test_a_broken_package_is_a_named_problem(tmp_path: Path, old: bytes, new: bytes) -> None:
    whole = Bytes(packed(tmp_path).replace(old, new))

    with pytest.raises(InvalidMedia):
        await open_packaged(whole, "720p/00007.m4s")


def test_a_name_that_could_lead_elsewhere_is_not_packed(tmp_path: Path) -> None:
    package = PackageWriter(tmp_path / "film.zip")
    try:
        for name in ("../x.m4s", "/etc/x.mp4", "a/../b.mp4", "A.mp4", "720p/00001.m4s"):
            with pytest.raises(ValueError, match=r"name|next"):
                package.add(name, b"")
    finally:
        package.close()
