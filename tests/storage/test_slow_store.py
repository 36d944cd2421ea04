"""An object store that is slow works; one that does not answer is told in bounded time. Both behind a relay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.domain.media import MediaDetails, MediaItem
from app.domain.media_types import MP4
from app.domain.units import MIB
from app.errors import StorageUnavailable
from app.storage.backends.s3 import S3Store
from app.storage.threads import DiskThreads
from tests.samples import mp4
from tests.storage.s3_server import S3Server

pytestmark = [pytest.mark.usefixtures("s3"), pytest.mark.slow]

STALLED_SECONDS = 3.0
"""In which the store has to answer something here."""

_PIECE_BYTES = 16 * 1024


class SlowRelay:
    """Passes on so many bytes a second from each client; while it is `dark`, it takes connections and no more."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._tasks: set[asyncio.Task[None]] = set()
        self.bytes_a_second: float | None = None
        self.is_dark = False
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SlowRelay]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        theirs, ours = await asyncio.open_connection(self._target.hostname, self._target.port)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await asyncio.gather(self._pass_on(reader, ours, slow=True), self._pass_on(theirs, writer, slow=False))
        finally:
            writer.close()
            ours.close()

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, slow: bool) -> None:
        while data := await source.read(_PIECE_BYTES):
            while self.is_dark:  # noqa: ASYNC110 - nobody tells when it ends
                await asyncio.sleep(0.05)
            target.write(data)
            await target.drain()
            if slow and self.bytes_a_second is not None:
                await asyncio.sleep(len(data) / self.bytes_a_second)
        target.close()


@pytest.fixture
async def relay(s3: S3Server) -> AsyncIterator[SlowRelay]:
    async with SlowRelay(s3.endpoint).running() as relay:
        yield relay


@pytest.fixture
async def store(s3: S3Server, relay: SlowRelay, tmp_path: Path) -> AsyncIterator[S3Store]:
    disk = DiskThreads()
    endpoint = f"http://127.0.0.1:{relay.port}"
    settings = s3.settings(tmp_path / "root", s3_endpoint=endpoint, s3_stalled_seconds=STALLED_SECONDS)
    store = S3Store(settings, disk)
    await store.open()
    yield store
    relay.is_dark = False
    await store.aclose()
    await disk.aclose()


async def put(store: S3Store, data: bytes) -> MediaItem:
    async with store.writer(len(data), "none") as writer:
        for at in range(0, len(data), MIB):
            await writer.write(data[at : at + MIB])
        return await writer.commit("x.mp4", MP4, MediaDetails())


async def test_a_part_may_take_longer_than_the_store_may_be_silent(store: S3Store, relay: SlowRelay) -> None:
    data = mp4(6 * MIB)
    relay.bytes_a_second = 1.3 * MIB  # 5 MiB in 4 s: as 52 s at 100 kB/s are to 30 s

    began = time.monotonic()
    item = await put(store, data)
    seconds = time.monotonic() - began
    relay.bytes_a_second = None

    assert seconds > STALLED_SECONDS
    async with store.reader(item.id) as reader:
        assert b"".join([piece async for piece in reader.chunks(0, len(data))]) == data


@pytest.mark.parametrize("size_bytes", [100_000, 12 * MIB], ids=["whole", "in parts"])
async def test_a_store_that_falls_silent_is_unavailable_for_all_who_wait_and_back_afterwards(
    store: S3Store, relay: SlowRelay, size_bytes: int
) -> None:
    data = mp4(size_bytes)
    await put(store, data)
    relay.is_dark = True

    outcomes = await asyncio.wait_for(
        asyncio.gather(*(put(store, data) for _ in range(6)), return_exceptions=True), 10 * STALLED_SECONDS
    )

    assert [type(outcome) for outcome in outcomes] == [StorageUnavailable] * 6
    with pytest.raises(StorageUnavailable):
        await asyncio.wait_for(store.page(10), 10 * STALLED_SECONDS)
    relay.is_dark = False
    assert (await put(store, data)).size_bytes == size_bytes


async def test_a_cancelled_upload_to_a_silent_store_ends_too(store: S3Store, relay: SlowRelay) -> None:
    relay.is_dark = True
    task = asyncio.create_task(put(store, mp4(12 * MIB)))
    await asyncio.sleep(0.2)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10 * STALLED_SECONDS)
