"""The store in a bucket of an S3-compatible object store.

    <prefix>/media/<kind>/<bucket>/<id><extension>   the bytes, put when they are whole
    <prefix>/media/<kind>/<bucket>/<id>.json         what is known about them (`metadata`): without it there is no item
    <root>/tmp/, <root>/lock                         on the local disk: what is coming in, and copies for tools

The keys are those of the local store. Several services may use one bucket; pins hold within one of them.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
from pydantic import Field, SecretStr, field_validator, model_validator

from app.domain.check import Check
from app.domain.media import MediaItem, MediaKind
from app.errors import BallastError
from app.settings import StorageSettings
from app.storage import metadata
from app.storage.backend import CHUNK_BYTES, LinkTerms, MediaReader
from app.storage.filesystem import UnusableRoot
from app.storage.object_traffic import ObjectTraffic
from app.storage.objectfaults import explain
from app.storage.objectindex import ObjectIndex
from app.storage.objecttrial import check_bucket
from app.storage.presigned import with_headers
from app.storage.store import MediaStore
from app.storage.threads import DiskThreads

if TYPE_CHECKING:
    from app.storage.objects import ObjectBucket

_METADATA_AT_A_TIME = 8
_TIDY_SECONDS = 10


class S3Settings(StorageSettings):
    s3_endpoint: str = Field("", description="URL of the object store; empty: Amazon's in the region.")
    s3_public_endpoint: str = Field("", description="The same as clients reach it; empty: the endpoint.")
    s3_bucket: str = Field("", description="Bucket of the object store; it must be there.")
    s3_region: str = Field("us-east-1", description="Region of the bucket.")
    s3_access_key: SecretStr = Field(
        SecretStr(""), description="Access key id; empty: the machine's role.", json_schema_extra={"secret": True}
    )
    s3_secret_key: SecretStr = Field(
        SecretStr(""), description="Secret access key of the same.", json_schema_extra={"secret": True}
    )
    s3_prefix: str = Field("", description="Folder in the bucket below which everything is kept.")
    s3_redirect: bool = Field(False, description="Downloads are always sent to the object store (as ?redirect=true).")
    s3_stalled_seconds: float = Field(
        30.0,
        gt=0,
        description="How long the object store may answer nothing; however slow it is, while it does, it works.",
    )
    s3_link_seconds: int = Field(3600, gt=0, le=604800, description="How long a link to the object store is valid.")

    @field_validator("s3_endpoint", "s3_public_endpoint")
    @classmethod
    def _s3_endpoints_are_addresses(cls, endpoint: str) -> str:
        address = urlsplit(endpoint)
        if endpoint and (address.scheme not in ("http", "https") or not address.hostname):
            raise ValueError(f"`{endpoint}` is not the URL of a server, which is http://host:port or https://host")
        return endpoint

    @model_validator(mode="after")
    def _s3_is_complete(self) -> S3Settings:
        if self.backend == "s3" and not self.s3_bucket:
            raise ValueError("the back end s3 needs a bucket: set BALLAST_STORAGE__S3_BUCKET")
        if self.backend == "s3" and bool(self.s3_access_key) != bool(self.s3_secret_key):
            there, absent = ("ACCESS", "SECRET") if self.s3_access_key else ("SECRET", "ACCESS")
            raise ValueError(f"BALLAST_STORAGE__S3_{there}_KEY is set, but BALLAST_STORAGE__S3_{absent}_KEY is not")
        return self


class S3Store(MediaStore):
    """Keeps media in a bucket. Bytes come in through a file on the local disk, so memory stays flat whatever comes."""

    name = "s3"
    settings_type = S3Settings

    def __init__(self, settings: S3Settings, disk: DiskThreads) -> None:
        super().__init__(settings, disk)
        self._s3 = settings
        self._open_bucket: ObjectBucket | None = None
        self._syncs = False  # files are on their way to the bucket only
        self.redirects = settings.s3_redirect

    @classmethod
    def checks(cls, settings: StorageSettings) -> Iterable[Check]:
        """Put, get, list and delete an object, as the service will."""
        assert isinstance(settings, S3Settings)
        yield asyncio.run(check_bucket(lambda disk: connect(settings, disk), settings.s3_bucket, _address(settings)))

    async def aclose(self) -> None:
        await super().aclose()
        if self._open_bucket is not None:
            await self._open_bucket.aclose()
        self._open_bucket = None

    async def link(self, item: MediaItem, wanted: LinkTerms) -> str | None:
        seconds = min(self._s3.s3_link_seconds, wanted.most_seconds or self._s3.s3_link_seconds)
        url = await self._bucket.link(item.path, seconds)
        if not self._s3.s3_access_key:
            return url  # the machine's role: no key to sign with is known here; the object was put with the same fields
        return with_headers(url, wanted.headers, self._s3.s3_secret_key.get_secret_value())

    @property
    def traffic(self) -> ObjectTraffic | None:
        return None if self._open_bucket is None else self._open_bucket.traffic

    async def ask(self) -> None:
        await self._bucket.ask()

    async def sweep(self) -> int:
        removed = [await self._index.sweep(item) for kind in MediaKind async for item in self._index.items(kind)]
        return sum(removed)

    @property
    def _bucket(self) -> ObjectBucket:
        assert self._open_bucket is not None, "the store is not open"
        return self._open_bucket

    @property
    def _index(self) -> ObjectIndex:
        return ObjectIndex(self._bucket)

    async def _survey(self) -> tuple[int, int]:
        bucket = self._open_bucket = connect(self._s3, self._disk)
        self.buffer_bytes, self.max_item_bytes = bucket.buffer_bytes, bucket.max_bytes
        try:
            found = await asyncio.gather(*(self._survey_kind(kind) for kind in MediaKind))
        except (BallastError, FileNotFoundError) as error:
            raise UnusableRoot(explain(error, self._s3.s3_bucket, _address(self._s3))) from error
        return sum(items for items, _ in found), sum(stored_bytes for _, stored_bytes in found)

    async def _survey_kind(self, kind: MediaKind) -> tuple[int, int]:
        items = stored_bytes = 0
        async for item in self._index.items(kind):
            if item.content is not None and item.is_whole:
                items, stored_bytes = items + 1, stored_bytes + item.content.size_bytes
            else:
                await self._index.sweep(item)
        return items, stored_bytes

    async def _upload(self, path: Path, item: MediaItem) -> None:
        try:
            await self._bucket.put_file(path, item)
        except BaseException:
            await self._tidy(item.path)
            raise

    async def _publish(self, path: Path, item: MediaItem) -> None:  # noqa: ARG002 - the bytes are uploaded
        key = metadata.path_of(item.id)
        try:
            await self._bucket.put_json(key, metadata.encode(item))
        except BaseException:
            await self._tidy(key, item.path)
            raise

    async def _rewrite(self, item: MediaItem) -> None:
        await self._bucket.put_json(metadata.path_of(item.id), metadata.encode(item))

    async def _tidy(self, *keys: str) -> None:
        """Remove what a failed commit may have left; where that fails too, the sweep does it later."""
        if self._bucket.is_away:
            return
        with anyio.move_on_after(_TIDY_SECONDS, shield=True):
            try:
                for key in keys:
                    await self._bucket.delete(key)
            except BallastError:
                return

    async def _unpublish(self, item: MediaItem) -> None:
        await self._bucket.delete(metadata.path_of(item.id))

    async def _discard(self, item: MediaItem) -> None:
        await self._bucket.delete(item.path)

    async def _newest(self, kinds: tuple[MediaKind, ...], cursor: str | None, count: int) -> list[str]:
        return await self._index.newest(kinds, cursor, count)

    async def _read_metadata(self, media_ids: Sequence[str]) -> list[bytes | None]:
        at_a_time = asyncio.Semaphore(_METADATA_AT_A_TIME)

        async def read(media_id: str) -> bytes | None:
            async with at_a_time:
                try:
                    return await self._bucket.get(metadata.path_of(media_id))
                except FileNotFoundError:
                    return None

        return await asyncio.gather(*map(read, media_ids))

    def _reader(self, item: MediaItem) -> MediaReader:
        return ObjectReader(item, self._bucket)


class ObjectReader(MediaReader):
    """Reads one object with ranged requests."""

    def __init__(self, item: MediaItem, bucket: ObjectBucket) -> None:
        self.item = item
        self._bucket = bucket

    async def open(self) -> None:
        if await self._bucket.size(self.item.path) != self.item.size_bytes:
            raise OSError(errno.EIO, "the stored object has another size than it had")

    def chunks(self, offset: int, length: int, chunk_bytes: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
        return self._bucket.chunks(self.item.path, offset, length, chunk_bytes)


def _address(settings: S3Settings) -> str:
    return settings.s3_endpoint or f"Amazon, {settings.s3_region}"


def connect(settings: S3Settings, disk: DiskThreads) -> ObjectBucket:
    """Make what talks to the bucket; it is not reached yet.

    Raises:
        UnusableRoot: the library is not installed, or does not take the settings.
    """
    try:
        from app.storage.objectclients import ObjectClients
        from app.storage.objects import ObjectBucket
    except ImportError as error:
        raise UnusableRoot("the storage back end s3 needs the package obstore (the extra `s3`)") from error
    try:
        return ObjectBucket(ObjectClients.of(settings), disk, settings.s3_stalled_seconds)
    except Exception as error:  # the library has many for a wrong URL, region or prefix
        raise UnusableRoot(f"BALLAST_STORAGE__S3_*: the object store cannot be used with them: {error}") from error
