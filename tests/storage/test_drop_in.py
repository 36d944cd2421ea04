"""A storage back end is one file: here is one that is only in a temporary folder, and all that knows it finds it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import app.storage.backends
from app.command import CommandRefused
from app.configuration import read_settings
from app.doctor.storage_checks import check_backend
from app.domain.check import Check, Status
from app.domain.media import MediaDetails
from app.domain.media_types import MP4
from app.errors import NotFound
from app.settings.variables import environment_names, secret_variables, unread_variables
from app.storage.discovery import complete_settings, find_backend
from app.storage.threads import DiskThreads
from tests.samples import mp4

_SHELF = '''
from pydantic import Field, SecretStr
from app.domain.check import failed, passed
from app.settings import StorageSettings
from app.storage import ids, metadata
from app.storage.backend import MediaReader
from app.storage.store import MediaStore


class ShelfSettings(StorageSettings):
    shelf_board: str = Field("top", description="Board of the shelf.")
    shelf_key: SecretStr = Field(SecretStr(""), description="Key of the shelf.", json_schema_extra={"secret": True})


class ShelfStore(MediaStore):
    """Keeps media in memory."""

    name = "shelf"
    settings_type = ShelfSettings

    @classmethod
    def checks(cls, settings):
        yield passed("shelf", settings.shelf_board)

    async def _survey(self):
        self.kept = {}
        return 0, 0

    async def _publish(self, path, item):
        self.kept[item.id] = path.read_bytes(), metadata.encode(item)

    async def _rewrite(self, item):
        self.kept[item.id] = self.kept[item.id][0], metadata.encode(item)

    async def _unpublish(self, item):
        del self.kept[item.id]

    async def _newest(self, kinds, cursor, count):
        found = [one for one in self.kept if ids.kind_of(one) in kinds and ids.cursor_after(one) > (cursor or "")]
        return sorted(found, key=ids.cursor_after)[:count]

    async def _read_metadata(self, media_ids):
        return [self.kept[one][1] if one in self.kept else None for one in media_ids]

    def _reader(self, item):
        return ShelfReader(item, self.kept[item.id][0])


class ShelfReader(MediaReader):
    def __init__(self, item, data):
        self.item = item
        self.data = data

    async def open(self):
        pass

    async def chunks(self, offset, length, chunk_bytes=1 << 20):
        for at in range(offset, offset + length, chunk_bytes):
            yield self.data[at : min(at + chunk_bytes, offset + length)]
'''


@pytest.fixture(autouse=True)
def _shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "backends"
    folder.mkdir()
    (folder / "shelf.py").write_text(_SHELF)
    monkeypatch.setattr(app.storage.backends, "__path__", [*app.storage.backends.__path__, str(folder)])
    monkeypatch.setenv("BALLAST_STORAGE__BACKEND", "shelf")
    monkeypatch.setenv("BALLAST_STORAGE__ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("BALLAST_STORAGE__SHELF_BOARD", "bottom")
    importlib.invalidate_caches()
    yield
    del sys.modules["app.storage.backends.shelf"]
    del app.storage.backends.shelf  # type: ignore[attr-defined]


async def test_it_is_found_and_opened_and_an_item_passes_through_it() -> None:
    settings = read_settings().storage
    data = mp4(300_000)
    disk = DiskThreads()
    store = find_backend(settings)(settings, disk)
    await store.open()

    async with store.writer(None, "sha256") as writer:
        await writer.write(data)
        item = await writer.commit("film.mp4", MP4, MediaDetails(width=3))
    async with store.reader(item.id) as reader:
        read = b"".join([chunk async for chunk in reader.chunks(0, item.size_bytes, 70_000)])
    async with store.local_file(item.id) as path:
        copied = path.read_bytes()
    page, usage = await store.page(10), store.usage()
    await store.delete(item.id)

    assert read == copied == data
    assert (page.items, usage.items, usage.stored_bytes) == ((item,), 1, len(data))
    with pytest.raises(NotFound):
        await store.get(item.id)
    assert (store.usage().items, store.usage().reserved_bytes, store.temp_files.statistics().count) == (0, 0, 0)
    await store.aclose()
    await disk.aclose()


def test_its_settings_are_in_every_list_and_read_from_the_environment() -> None:
    settings = read_settings()

    names = {name: (text, default) for name, text, default in environment_names(type(settings))}
    assert settings.storage.model_dump()["shelf_board"] == "bottom"
    assert names["BALLAST_STORAGE__SHELF_BOARD"] == ("Board of the shelf.", "top")
    assert "BALLAST_STORAGE__SHELF_KEY" in secret_variables(type(settings))
    assert {"BALLAST_STORAGE__S3_BUCKET", "BALLAST_STORAGE__ROOT"} <= names.keys()
    assert not [name for name in unread_variables(complete_settings()) if "SHELF" in name]


def test_a_misspelt_setting_of_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALLAST_STORAGE__SHELF_BORAD", "bottom")

    with pytest.raises(CommandRefused, match="BALLAST_STORAGE__SHELF_BORAD"):
        read_settings()


def test_its_checks_are_in_the_doctors_report() -> None:
    assert list(check_backend(read_settings().storage)) == [Check("shelf", Status.OK, "bottom")]
