"""What only the object store does; what every store does is in `tests/contracts/test_stores.py`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute, SocketStream
from pydantic import ValidationError

from app.domain.disposition import content_disposition
from app.domain.media import MediaDetails, MediaItem, MediaKind
from app.domain.media_types import MP4
from app.domain.units import MIB
from app.errors import NotFound, PayloadTooLarge, StorageUnavailable
from app.main import create_app
from app.settings import MemorySettings
from app.storage.backend import LinkTerms
from app.storage.backends.s3 import S3Settings, S3Store, connect
from app.storage.discovery import complete_settings
from app.storage.filesystem import UnusableRoot
from app.storage.objectindex import ObjectIndex
from app.storage.objects import MAX_OBJECT_BYTES, TRANSFER_BYTES
from app.storage.store import MediaStore
from app.storage.threads import DiskThreads
from tests.media_files import REPOSITORY
from tests.samples import mp4, png
from tests.serving import serve
from tests.storage.s3_server import S3Server

pytestmark = pytest.mark.usefixtures("s3")


@pytest.fixture
async def disk() -> AsyncIterator[DiskThreads]:
    threads = DiskThreads()
    yield threads
    await threads.aclose()


@pytest.fixture
def settings(s3: S3Server, tmp_path: Path) -> S3Settings:
    return s3.settings(tmp_path / "root", s3_link_seconds=60)


@asynccontextmanager
async def opened(settings: S3Settings, disk: DiskThreads) -> AsyncIterator[S3Store]:
    store = S3Store(settings, disk)
    try:
        await store.open()
        yield store
    finally:
        await store.aclose()


@pytest.fixture
async def store(settings: S3Settings, disk: DiskThreads) -> AsyncIterator[S3Store]:
    async with opened(settings, disk) as store:
        yield store


async def put(store: MediaStore, data: bytes, name: str = "a name.mp4") -> MediaItem:
    async with store.writer(len(data), "sha256") as writer:
        await writer.write(data)
        return await writer.commit(name, MP4, MediaDetails())


async def test_a_link_gives_the_bytes_without_us(store: S3Store) -> None:
    data = mp4(100_000)
    item = await put(store, data, "döner; filename=x.mp4")

    link = await store.link(item, LinkTerms({}))
    assert link is not None
    async with httpx.AsyncClient() as client:
        whole = await client.get(link)
        part = await client.get(link, headers={"Range": "bytes=10-19"})
        forged = await client.get(link.replace(item.id, "v" + item.id[1:][::-1]))

    assert whole.content == data
    assert whole.headers["Content-Type"] == "video/mp4"
    assert whole.headers["Content-Disposition"] == content_disposition(item.content_type, item.name)
    assert whole.headers["Cache-Control"] == "private, no-cache"
    assert (part.status_code, part.content) == (206, data[10:20])
    assert forged.status_code == 403


async def test_a_link_answers_with_the_fields_that_are_wanted_and_no_others_can_be_put_in(store: S3Store) -> None:
    item = await put(store, mp4(100))
    fields = {"Content-Type": "video/x-ours", "Content-Disposition": 'attachment; filename="a b+c&d=e.mp4"'}

    link = await store.link(item, LinkTerms({**fields, "Cache-Control": "no-store", "Content-Security-Policy": "x"}))
    assert link is not None
    async with httpx.AsyncClient() as client:
        answer = await client.get(link)
        changed = await client.get(link.replace("video%2Fx-ours", "text%2Fhtml"))

    assert answer.status_code == 200
    assert {name: answer.headers[name] for name in fields} == fields
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Content-Security-Policy" not in answer.headers
    assert changed.status_code == 403


@pytest.mark.parametrize(("most_seconds", "seconds"), [(None, 60), (59, 59), (1, 1), (3600, 60)])
async def test_a_link_lives_no_longer_than_it_may(store: S3Store, most_seconds: int | None, seconds: int) -> None:
    item = await put(store, mp4(100))

    link = await store.link(item, LinkTerms({}, most_seconds))

    assert link is not None
    assert f"X-Amz-Expires={seconds}&" in link


async def test_a_link_names_the_address_that_clients_reach(s3: S3Server, tmp_path: Path, disk: DiskThreads) -> None:
    settings = s3.settings(tmp_path / "root", s3_public_endpoint="https://media.example.org")

    async with opened(settings, disk) as store:
        link = await store.link(await put(store, mp4(100)), LinkTerms({}))

    assert link is not None
    assert link.startswith(f"https://media.example.org/{s3.bucket}/{settings.s3_prefix}/media/video/")


async def test_stores_below_two_prefixes_do_not_see_each_other(s3: S3Server, tmp_path: Path, disk: DiskThreads) -> None:
    async with (
        opened(s3.settings(tmp_path / "one"), disk) as one,
        opened(s3.settings(tmp_path / "two"), disk) as two,
    ):
        item = await put(one, mp4(100))

        assert (await two.page(10)).items == ()
        with pytest.raises(NotFound):
            await two.get(item.id)


async def test_two_services_share_a_bucket(s3: S3Server, tmp_path: Path, disk: DiskThreads) -> None:
    async with (
        opened(s3.settings(tmp_path / "one", "shared"), disk) as one,
        opened(s3.settings(tmp_path / "two", "shared"), disk) as two,
    ):
        item = await put(one, mp4(100))

        assert (await two.page(10)).items == (item,)
        await two.delete(item.id)
        with pytest.raises(NotFound):
            await one.get(item.id)


async def test_only_orphans_of_some_age_are_swept(
    s3: S3Server, settings: S3Settings, store: S3Store, disk: DiskThreads
) -> None:
    bucket = connect(settings, disk)
    item = await put(store, mp4(100))
    orphan = item.path.replace(item.id, item.id[:-4] + "0000")
    await bucket.put_json(orphan, b"x")
    await bucket.put_json("media/video/notes.txt", b"not ours")
    await bucket.put_json("media/video/abcd/holiday.mp4", b"not ours")

    async def sweep(orphan_seconds: float) -> int:
        index = ObjectIndex(bucket, orphan_seconds)
        return sum([await index.sweep(found) async for found in index.items(MediaKind.VIDEO)])

    young = (await store.sweep(), await sweep(60))
    old = await sweep(-60)  # a minute ahead: the server's clock counts whole seconds

    assert (young, old) == ((0, 0), 1)
    assert len(s3.files(settings.s3_prefix)) == 4  # the item's two objects, and two that are not ours
    assert (await store.page(10)).items == (item,)


async def test_a_bucket_that_does_not_answer_is_told_at_the_start(
    settings: S3Settings, tmp_path: Path, disk: DiskThreads
) -> None:
    elsewhere = settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:9", "root": tmp_path / "other"})

    with pytest.raises(UnusableRoot, match="the bucket media cannot be used") as refusal:
        async with opened(elsewhere, disk):
            pass

    assert "\n" not in str(refusal.value)


async def test_a_wrong_key_is_told_at_the_start(s3: S3Server, tmp_path: Path, disk: DiskThreads) -> None:
    with pytest.raises(UnusableRoot, match="403") as refusal:
        async with opened(s3.settings(tmp_path / "root", s3_secret_key="wrong-secret"), disk):
            pass

    assert "wrong-secret" not in str(refusal.value)


@pytest.mark.parametrize("endpoint", ["no url", "ftp://127.0.0.1"])
def test_an_endpoint_that_is_no_address_is_told_at_the_start(s3: S3Server, tmp_path: Path, endpoint: str) -> None:
    with pytest.raises(ValidationError, match="s3_endpoint"):
        s3.settings(tmp_path / "root", s3_endpoint=endpoint)


@pytest.mark.parametrize("absent", ["s3_access_key", "s3_secret_key"])
def test_half_a_key_is_told_at_the_start(s3: S3Server, tmp_path: Path, absent: str) -> None:
    with pytest.raises(ValidationError, match=f"BALLAST_STORAGE__{absent.upper()} is not"):
        s3.settings(tmp_path / "root", **{absent: ""})


async def test_what_would_take_too_many_parts_is_refused_at_the_start(store: S3Store) -> None:
    with pytest.raises(PayloadTooLarge):
        async with store.writer(MAX_OBJECT_BYTES + 1, "none"):
            pass


@dataclass
class Relay:
    """Passes bytes on to the server. It cuts an answer after `allowance` bytes, `cuts` times."""

    target: tuple[str, int]
    allowance: int = 1 << 40
    cuts: int = 0
    closed: bool = False
    port: int = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        """Listen. At the end nothing is left of a connection, also of one that the library begins at that moment."""
        async with (
            await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
            anyio.create_task_group() as connections,
        ):
            self.port = listener.extra(SocketAttribute.local_port)
            connections.start_soon(listener.serve, self._serve)
            yield self
            connections.cancel_scope.cancel()

    async def _serve(self, client: SocketStream) -> None:
        async with client:
            if self.closed:
                return
            async with await anyio.connect_tcp(*self.target) as upstream, anyio.create_task_group() as forward:
                forward.start_soon(self._forward, client, upstream)
                await self._answer(upstream, client)
                forward.cancel_scope.cancel()

    async def _forward(self, client: SocketStream, upstream: SocketStream) -> None:
        with suppress(anyio.BrokenResourceError):
            async for data in client:
                await upstream.send(data)

    async def _answer(self, upstream: SocketStream, client: SocketStream) -> None:
        passed = 0
        with suppress(anyio.BrokenResourceError):
            async for data in upstream:
                passed += len(data)
                if passed > self.allowance and self.cuts > 0:
                    self.cuts -= 1
                    return
                await client.send(data)


@pytest.fixture
async def relay(s3: S3Server) -> AsyncIterator[Relay]:
    host, port = s3.endpoint.removeprefix("http://").split(":")
    async with Relay((host, int(port))).open() as relay:
        yield relay


async def test_a_download_goes_on_where_the_connection_broke(
    s3: S3Server, tmp_path: Path, disk: DiskThreads, relay: Relay
) -> None:
    data = mp4(8 * MIB)
    async with opened(s3.settings(tmp_path / "root", s3_endpoint=f"http://127.0.0.1:{relay.port}"), disk) as store:
        item = await put(store, data)
        relay.allowance, relay.cuts = 2 * MIB, 3

        async with store.reader(item.id) as reader:
            got = b"".join([chunk async for chunk in reader.chunks(1000, len(data) - 1000)])

    assert relay.cuts == 0
    assert got == data[1000:]


async def test_a_store_that_goes_away_is_unavailable_and_nothing_is_left(
    s3: S3Server, tmp_path: Path, disk: DiskThreads, relay: Relay
) -> None:
    settings = s3.settings(tmp_path / "root", s3_endpoint=f"http://127.0.0.1:{relay.port}")
    async with opened(settings, disk) as store:
        item = await put(store, mp4(1000))
        relay.closed, relay.allowance, relay.cuts = True, 0, 1 << 40

        for attempt in (store.get(item.id), put(store, mp4(1000)), store.page(10)):
            with pytest.raises(StorageUnavailable) as refusal:
                await attempt
            assert "127.0.0.1" not in refusal.value.detail

        assert store.usage().items == 1
        assert store.temp_files.statistics().count == 0
    assert len(s3.files(settings.s3_prefix)) == 2


_TRANSFERS = """
import asyncio, os, re, sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from app.domain.disposition import content_disposition
from app.domain.media import MediaDetails
from app.domain.media_types import MP4
from app.storage.backend import LinkTerms
from app.storage.backends.s3 import S3Settings, S3Store
from app.storage.threads import DiskThreads

def status(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

async def main():
    disk = DiskThreads()
    store = S3Store(S3Settings.model_validate_json(sys.argv[1]), disk)
    async def put(size):
        async with store.writer(size, "none") as writer:
            for _ in range(size >> 20):
                await writer.write(bytes(1 << 20))
            return await writer.commit("x", MP4, MediaDetails())
    before = status("VmRSS")
    await store.open()
    Path("/proc/self/clear_refs").write_text("5")
    items = await asyncio.gather(*(put(size << 20) for size in (64, 64, 64, 5, 5, 5, 5)))
    up = status("VmHWM") - before
    Path("/proc/self/clear_refs").write_text("5")
    rest = status("VmRSS")
    async with store.reader(items[0].id) as reader:
        total = sum([len(chunk) async for chunk in reader.chunks(0, 64 << 20)])
    assert total == 64 << 20
    print(up, status("VmHWM") - rest)
    await store.aclose()
    await disk.aclose()

asyncio.run(main())
"""


def test_transfers_take_no_more_memory_than_is_declared(settings: S3Settings) -> None:
    """Seven uploads at once, of both size classes, and a download; in a process of its own, whose peak is measured."""
    document = settings.model_dump_json(exclude={"s3_access_key", "s3_secret_key"})[:-1]
    keys = ',"s3_access_key":"test","s3_secret_key":"testsecret"}'

    up_bytes, down_bytes = _transferred(document + keys)

    assert up_bytes <= TRANSFER_BYTES
    assert down_bytes <= 6 * MIB


def _transferred(settings: str) -> tuple[int, int]:
    """Return by how much seven uploads and then a download raised the peak."""
    outcome = subprocess.run(
        [sys.executable, "-c", _TRANSFERS, settings],
        cwd=REPOSITORY,
        env={"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    up_bytes, down_bytes = map(int, outcome.stdout.split())
    return up_bytes, down_bytes


def test_the_library_is_imported_only_for_this_back_end() -> None:
    code = "import sys, app.main, app.storage.backends.local; sys.exit('obstore' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False, timeout=30).returncode == 0


@pytest.fixture(scope="module")
def served(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> S3Settings:
    return s3.settings(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def port(served: S3Settings) -> Iterator[int]:
    # The service runs in this process, and all that it and its children hold counts: the tests and the S3 server too.
    settings = complete_settings().model_validate(
        {"memory": MemorySettings(limit=8 << 30), "storage": served.model_dump()}
    )
    with serve(create_app(settings)) as port:
        # Connections for moving bytes are kept, too: they are there before a test looks for what it leaves behind.
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/v1", timeout=30) as client:
            first = client.post("/media?inline=never", content=png(), headers={"Content-Type": "image/png"}).json()
            client.get(f"/media/{first['id']}/content").raise_for_status()
            client.delete(f"/media/{first['id']}").raise_for_status()
        yield port


@pytest.fixture
def client(port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/v1", timeout=30) as client:
        yield client


def test_the_service_keeps_media_in_the_bucket(client: httpx.Client, s3: S3Server, served: S3Settings) -> None:
    picture = png(30, 20)

    answer = client.post("media", content=picture, headers={"content-type": "image/png"})
    assert answer.status_code == 201, answer.text
    item = answer.json()
    content = client.get(f"media/{item['id']}/content")
    part = client.get(f"media/{item['id']}/content", headers={"Range": "bytes=1-3"})
    redirected = client.get(f"media/{item['id']}/content?redirect=true")
    by_hand = httpx.get(redirected.headers["Location"])
    head = client.head(f"media/{item['id']}/content?redirect=true")
    stored = s3.files(served.s3_prefix)
    holders = client.get("../metrics/memory").json()["budget"]["holders"]
    deleted = client.delete(f"media/{item['id']}")

    assert (item["width"], item["height"]) == (30, 20)
    assert content.content == picture
    assert (part.status_code, part.content) == (206, picture[1:4])
    assert (redirected.status_code, by_hand.content) == (307, picture)
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(picture)))
    assert stored == [f"{served.s3_prefix}/{item['path'].rpartition('.')[0]}{end}" for end in (".json", ".png")]
    assert {holder["owner"] for holder in holders} >= {"storage"}
    assert deleted.status_code == 204
    assert s3.files(served.s3_prefix) == []


def test_limits_do_not_tell_the_secrets(client: httpx.Client, s3: S3Server) -> None:
    answer = client.get("limits")

    shown = {setting["name"]: setting["value"] for setting in answer.json()["settings"]}
    assert shown["BALLAST_STORAGE__S3_ENDPOINT"] == s3.endpoint
    assert shown["BALLAST_STORAGE__S3_SECRET_KEY"] == shown["BALLAST_STORAGE__S3_ACCESS_KEY"] == "set"
    assert s3.secret_key not in answer.text


def test_a_back_end_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    environment = {"BALLAST_STORAGE__BACKEND": "tape", "BALLAST_STORAGE__ROOT": str(tmp_path)}

    outcome = subprocess.run(
        [sys.executable, "-m", "app", "serve"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert outcome.returncode == 2
    assert "tape" in outcome.stderr
    assert "local, s3" in outcome.stderr


def test_a_signed_url_is_sent_on_for_no_longer_than_it_is_good_itself(s3: S3Server, tmp_path: Path) -> None:
    storage = s3.settings(tmp_path / "root", s3_link_seconds=3600, s3_redirect=True)
    settings = complete_settings().model_validate(
        {
            "memory": MemorySettings(limit=8 << 30),
            "storage": storage.model_dump(),
            "server": {"api_keys": "a-key", "url_seconds": 100},
        }
    )
    with serve(create_app(settings)) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        key = {"Authorization": "Bearer a-key"}
        item = client.post("/v1/media?inline=never&name=a.png", content=png(), headers=key).json()
        signed = client.get(item["url"])
        keyed = client.get(f"/v1/media/{item['id']}/content", headers=key)
        ours = client.head(item["url"])
        theirs = httpx.get(signed.headers["Location"])
        changed = client.get(item["url"] + "&redirect=true")

    assert (signed.status_code, keyed.status_code, changed.status_code) == (307, 307, 403)
    assert signed.headers["Cache-Control"] == "no-store"
    assert 1 <= _link_seconds(signed.headers["Location"]) <= 110
    assert _link_seconds(keyed.headers["Location"]) == 3600
    assert theirs.content == png()
    for name in ("Content-Type", "Content-Disposition", "Cache-Control"):
        assert theirs.headers[name] == ours.headers[name]


def _link_seconds(link: str) -> int:
    return int(parse_qs(urlsplit(link).query)["X-Amz-Expires"][0])
