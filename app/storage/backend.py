"""What a storage back end gives: all that depends on where the bytes are kept. The rest is in `MediaStore`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from app.domain.check import Check
from app.domain.media import MediaItem, MediaKind
from app.settings import StorageSettings
from app.storage.object_traffic import ObjectTraffic
from app.storage.threads import DiskThreads

CHUNK_BYTES = 1024 * 1024
"""How much a reader gives at a time: large enough to reach nginx on one connection (measured)."""


@dataclass(frozen=True, slots=True)
class LinkTerms:
    """What a link has to keep: `most_seconds` is how long it may be valid (at least 1; None: as long as the store
    likes), `headers` the fields of our own answer that the other one should have too.
    """

    headers: Mapping[str, str]
    most_seconds: int | None = None


class MediaReader(ABC):
    """One open item; while it is open the item cannot be deleted. Made by `MediaStore.reader`."""

    item: MediaItem

    @abstractmethod
    async def open(self) -> None:
        """Make sure that the bytes are there. `aclose` follows, whatever happened.

        Raises:
            OSError: they are not, or not as many as there were.
        """

    @abstractmethod
    def chunks(self, offset: int, length: int, chunk_bytes: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
        """Give `length` bytes from `offset` in pieces of about `chunk_bytes`.

        Raises:
            OSError: the bytes cannot be read.
        """

    async def aclose(self) -> None:  # noqa: B027 - most have nothing to close
        """Let go of what `open` took."""


class Backend(ABC):
    """The methods that begin with an underscore are what `MediaStore` is built on, and called by it only.

    `name` is what `BALLAST_STORAGE__BACKEND` says: that of the module. `settings_type` has the settings of the back end
    besides those of the section (`app.storage.discovery`); `settings` is an instance of it.

    Wherever it keeps things, an item is its bytes and its metadata. The metadata is written last and removed first, so
    that what a crash leaves is no item.
    """

    name: ClassVar[str]
    settings_type: ClassVar[type[StorageSettings]] = StorageSettings

    def __init__(self, settings: StorageSettings, disk: DiskThreads) -> None:
        self._settings = settings
        self._root = settings.root.absolute()
        self._disk = disk
        self._syncs = settings.fsync
        """Whether a file must be on the disk before it is published."""
        self.buffer_bytes = 0
        """Memory that an open store takes for itself while it is busy, whatever the number of transfers."""
        self.max_item_bytes: int | None = None
        """Size of the largest item that an open store can keep; None: no limit."""
        self.redirects = False
        """Whether all downloads are sent to the item's `link`, also where a client does not ask for that."""

    @classmethod
    def checks(cls, settings: StorageSettings) -> Iterable[Check]:  # noqa: ARG003 - for those that need something
        """Return what `ballast doctor` tells of this back end; it looks at the storage root itself."""
        return ()

    def local_path(self, item: MediaItem) -> Path | None:  # noqa: ARG002 - for stores on this machine
        """Return the absolute path of the item on this machine, None where there is none."""
        return None

    async def link(self, item: MediaItem, wanted: LinkTerms) -> str | None:  # noqa: ARG002 - for stores that have links
        """Return a URL with which a client gets the bytes from elsewhere for a while; None: this store has none."""
        return None

    @property
    def traffic(self) -> ObjectTraffic | None:
        """What was asked of an object store, where there is one."""
        return None

    async def ask(self) -> None:  # noqa: B027 - a store on this disk has nobody to ask
        """Ask the place where items are kept, if that is elsewhere, whether it answers.

        Raises:
            StorageUnavailable: it does not.
        """

    async def sweep(self) -> int:
        """Remove what broken commits and deletes left, as opening does; return how many objects that were."""
        return 0

    @abstractmethod
    async def _survey(self) -> tuple[int, int]:
        """Begin: remove what broken commits left; return how many items there are, and their bytes in all.

        Raises:
            UnusableRoot: the store cannot be used; the message says why in one sentence.
        """

    async def _upload(self, path: Path, item: MediaItem) -> None:  # noqa: B027 - for stores that are elsewhere
        """Bring the bytes of a finished file to where they are kept, if that takes long: this may be cancelled.

        What fails or is cancelled leaves nothing behind.

        Raises:
            StorageUnavailable: the store did not take them.
            OSError: the file cannot be read.
        """

    @abstractmethod
    async def _publish(self, path: Path, item: MediaItem) -> None:
        """Make an item visible: its bytes (in the file, or uploaded) first, then its metadata. Never cancelled.

        The file stays its owner's. What fails leaves nothing behind.

        Raises:
            StorageFull: there is no room for it.
            StorageUnavailable: the store did not take it.
        """

    @abstractmethod
    async def _rewrite(self, item: MediaItem) -> None:
        """Replace the metadata of an item, in one step. Never cancelled.

        Raises:
            StorageFull: there is no room for it.
            StorageUnavailable: the store did not take it.
        """

    @abstractmethod
    async def _unpublish(self, item: MediaItem) -> None:
        """Remove the metadata, and the bytes too if that takes no longer. Never cancelled."""

    async def _discard(self, item: MediaItem) -> None:  # noqa: B027 - the same
        """Remove the bytes of an item that is not visible any more. Never cancelled."""

    @abstractmethod
    async def _newest(self, kinds: tuple[MediaKind, ...], cursor: str | None, count: int) -> list[str]:
        """Return up to `count` ids of these kinds, newest first, after `cursor`.

        Raises:
            InvalidParameter: it is not one of our cursors.
            StorageUnavailable: the store did not give them.
        """

    @abstractmethod
    async def _read_metadata(self, media_ids: Sequence[str]) -> list[bytes | None]:
        """Return the metadata of each item, None where there is none.

        Raises:
            NotFound: one is not one of our ids.
            StorageUnavailable: the store did not give them.
        """

    @abstractmethod
    def _reader(self, item: MediaItem) -> MediaReader:
        """Return what reads the bytes of an item; it is not open yet."""
