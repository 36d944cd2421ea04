from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.media import MediaItem
from app.domain.pressure import PressureLevel
from app.media.delivery import ENCODED_CHUNK_BYTES, Delivery, Inline, Shape
from app.media.links import Links
from app.media.uploads import Uploads
from app.settings import StorageSettings, UploadSettings
from app.storage.backends.local import LocalStore
from app.storage.threads import DiskThreads
from tests.samples import mp4

INLINE_MAX_BYTES = 2 * ENCODED_CHUNK_BYTES + 10


class House:
    """A store, uploads into it, and a delivery whose memory level a test can set."""

    def __init__(self, root: Path, disk: DiskThreads, **storage: Any) -> None:
        settings = StorageSettings(root=root, free_floor=0, fsync=False, **storage)
        upload = UploadSettings(inline_max_bytes=INLINE_MAX_BYTES)
        self.level = PressureLevel.LOW
        self.store = LocalStore(settings, disk)
        self.uploads = Uploads(self.store, upload)
        self.delivery = Delivery(self.store, upload, settings, lambda: self.level, Links())

    async def put(self, data: bytes) -> MediaItem:
        async def chunks() -> AsyncIterator[bytes]:
            yield data

        return await self.uploads.receive(chunks(), "clip.mp4", len(data))

    async def answer(self, item: MediaItem, inline: Inline = Inline.AUTO, shape: Shape = Shape.ITEM) -> dict[str, Any]:
        """Return the answer as a client reads it; its announced length is checked on the way."""
        async with self.delivery.answer(item, inline, shape) as answer:
            body = b"".join([chunk async for chunk in answer.chunks])
        assert len(body) == answer.length_bytes
        document = json.loads(body)
        assert isinstance(document, dict)
        return document


@pytest.fixture
async def disk() -> AsyncIterator[DiskThreads]:
    threads = DiskThreads()
    yield threads
    await threads.aclose()


@pytest.fixture
async def house(tmp_path: Path, disk: DiskThreads) -> AsyncIterator[House]:
    house = House(tmp_path, disk)
    await house.store.open()
    yield house
    await house.store.aclose()


@pytest.mark.parametrize("size", [24, 25, 26, ENCODED_CHUNK_BYTES, ENCODED_CHUNK_BYTES + 1, INLINE_MAX_BYTES])
async def test_a_small_item_carries_its_bytes(house: House, size: int) -> None:
    data = mp4(size)

    answer = await house.answer(await house.put(data))

    assert base64.b64decode(answer["buffer"], validate=True) == data
    assert answer["largeFile"] is False
    assert answer["success"] is True


async def test_a_large_item_is_a_reference(house: House) -> None:
    item = await house.put(mp4(INLINE_MAX_BYTES + 1))

    answer = await house.answer(item)

    assert (answer["buffer"], answer["largeFile"]) == (None, True)
    assert (answer["path"], answer["url"]) == (item.path, f"/v1/media/{item.id}/content")


async def test_a_reference_to_a_small_item_can_be_asked_for(house: House) -> None:
    answer = await house.answer(await house.put(mp4(100)), Inline.NEVER)

    assert (answer["buffer"], answer["largeFile"]) == (None, False)


@pytest.mark.parametrize("inline", list(Inline))
async def test_the_editor_reads_the_item_below_clip(house: House, inline: Inline) -> None:
    item = await house.put(mp4(1000))

    answer = await house.answer(item, inline, Shape.CLIP)

    assert set(answer) == {"success", "clip"}
    assert answer["clip"]["timestampKey"] == item.timestamp_key
    assert (answer["clip"]["buffer"] is None) is (inline is Inline.NEVER)


async def test_at_critical_the_reference_is_answered(house: House) -> None:
    item = await house.put(mp4(100))
    house.level = PressureLevel.CRITICAL

    answer = await house.answer(item)

    assert (answer["buffer"], answer["largeFile"]) == (None, True)


@pytest.mark.parametrize("harm", ["gone", "cut"])
async def test_bytes_that_cannot_be_read_back_are_answered_as_a_reference(house: House, harm: str) -> None:
    item = await house.put(mp4(100))
    path = house.store.local_path(item)
    assert path is not None
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(b"short")

    answer = await house.answer(item)

    assert (answer["buffer"], answer["largeFile"]) == (None, True)
    await house.store.delete(item.id)


async def test_an_answer_pins_the_item_until_it_is_sent(house: House) -> None:
    item = await house.put(mp4(100))

    async with house.delivery.answer(item):
        with pytest.raises(Exception, match="still being read"):
            await house.store.delete(item.id)

    await house.store.delete(item.id)


async def test_the_file_path_is_told_only_where_front_end_and_service_share_a_disk(
    house: House, tmp_path: Path, disk: DiskThreads
) -> None:
    shared = House(tmp_path / "shared", disk, shared_paths=True, ttl_seconds=60)
    await shared.store.open()
    item = await shared.put(mp4(100))

    answer = await shared.answer(item)
    other = await house.answer(await house.put(mp4(100)))

    assert answer["filePath"] == str(shared.store.local_path(item))
    assert "filePath" not in other
    assert (answer["expiresAt"] is None, other["expiresAt"] is None) == (False, True)
    await shared.store.aclose()
