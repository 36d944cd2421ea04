"""Details that could not be found out at once: found out after the answer, one item at a time, and again if need be."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.domain.media import DetailsState, MediaDetails, MediaItem, MediaKind
from app.errors import (
    MemoryExceedsLimit,
    NotFound,
    Overloaded,
    ProcessingTimeout,
    QueueFull,
    WorkerFailed,
)
from app.storage import ids
from app.storage.files import make_folder, replace
from app.storage.store import MediaStore
from app.storage.threads import DiskThreads

logger = logging.getLogger("ballast.details")

MOST_ITEMS = 1000
"""How many items may wait; what comes beyond them stays pending until somebody asks for it."""

_ATTEMPTS = 3
_PAUSE_SECONDS = 10.0
"""Between two attempts at one item."""

_KEEP_SECONDS = 5.0
"""How often is written down which items wait."""


class Finder(Protocol):
    """Finds out the details of stored media (`media.details.Details`)."""

    @property
    def is_able(self) -> bool: ...

    async def find_out(self, content_type: str, path: Path) -> MediaDetails: ...


@dataclass(slots=True)
class _Turn:
    """When an item is next looked at (monotonic seconds), how often it was, and what tells of the end."""

    due_at: float
    attempts: int
    ended: asyncio.Event


class Probing:
    """Follows items whose details are pending. A probe that fails is repeated; without memory, it waits for that."""

    def __init__(
        self, store: MediaStore, finder: Finder, disk: DiskThreads, path: Path, pause_seconds: float = _PAUSE_SECONDS
    ) -> None:
        """`path` is the file that tells the next run which items wait."""
        self._store = store
        self._finder = finder
        self._disk = disk
        self._path = path
        self._pause_seconds = pause_seconds
        self._turns: OrderedDict[str, _Turn] = OrderedDict()
        self._changed = asyncio.Event()
        self._is_kept = True
        self._at_work: tuple[str, asyncio.Task[None]] | None = None

    async def open(self) -> None:
        """Follow what an earlier run left."""
        for media_id in await self._disk.read(_read, self._path):
            self._follow(media_id)

    async def aclose(self) -> None:
        """Leave to the next run what is left."""
        await self._keep()

    def follow(self, item: MediaItem) -> None:
        """Find out the details of an item, if they are pending."""
        if item.details.pending:
            self._follow(item.id)

    def forget(self, media_id: str) -> None:
        """The item is going to be deleted: nothing of it is looked at any more."""
        self._end(media_id)
        if self._at_work is not None and self._at_work[0] == media_id:
            self._at_work[1].cancel()

    async def ask(self, media_id: str, patience_seconds: float) -> MediaItem:
        """Have the details found out again where they are not known; wait a little, and return the item.

        Raises:
            NotFound: there is no such item.
            StorageFull, StorageUnavailable: the store did not take note of it.
        """
        item = await self._store.get(media_id)
        is_known = item.details.state is DetailsState.COMPLETE or item.kind is MediaKind.IMAGE
        if is_known or not self._finder.is_able:
            return item
        if not item.details.pending:
            await self._store.describe(media_id, MediaDetails(pending=True))
        turn = self._follow(media_id)
        if turn is not None:
            turn.due_at, turn.attempts = 0.0, 0
            self._turns.move_to_end(media_id, last=False)
            self._changed.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_seconds):
                    await turn.ended.wait()
        return await self._store.get(media_id)

    async def run(self) -> None:
        """Work until cancelled."""
        kept_at = time.monotonic()
        while True:
            self._changed.clear()
            now = time.monotonic()
            if not self._is_kept and now - kept_at >= _KEEP_SECONDS:
                await self._keep()
                kept_at = now
            due = next((media_id for media_id, turn in self._turns.items() if turn.due_at <= now), None)
            if due is not None:
                await self._take(due)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause(now)):
                    await self._changed.wait()

    def _pause(self, now: float) -> float | None:
        """Return in how many seconds there is something to do; None: not before something changes."""
        waits = [turn.due_at - now for turn in self._turns.values()]
        return min([*waits, *([] if self._is_kept else [_KEEP_SECONDS])], default=None)

    async def _take(self, media_id: str) -> None:
        """Look at one item in a task of its own, which ends with us or with the item."""
        task = asyncio.create_task(self._look(media_id))
        self._at_work = (media_id, task)
        try:
            await asyncio.wait((task,))
        finally:
            self._at_work = None
            if not task.done():
                task.cancel()
                await asyncio.wait((task,))

    async def _look(self, media_id: str) -> None:
        turn = self._turns[media_id]
        try:
            details = await self._find_out(await self._store.get(media_id))
            await self._store.describe(media_id, details)
            self._end(media_id)
        except NotFound:
            self._end(media_id)
        except (Overloaded, QueueFull):  # no memory now: that is not the item's fault
            self._put_off(media_id, turn)
        except Exception as error:
            turn.attempts += 1
            logger.info("the details of an item could not be found out: %s", error, extra={"mediaId": media_id})
            self._put_off(media_id, turn)

    async def _find_out(self, item: MediaItem) -> MediaDetails:
        """Return what is found out; nothing where there is nothing to find, or it was tried often enough."""
        try:
            path = self._store.local_path(item)
            if path is not None:  # it is not kept from being deleted: an open file stays readable
                return await self._finder.find_out(item.content_type, path)
            async with self._store.local_file(item.id) as copy:
                return await self._finder.find_out(item.content_type, copy)
        except (ProcessingTimeout, WorkerFailed):
            if self._turns[item.id].attempts + 1 < _ATTEMPTS:
                raise
            return MediaDetails()
        except MemoryExceedsLimit:
            return MediaDetails()

    def _follow(self, media_id: str) -> _Turn | None:
        if media_id not in self._turns and len(self._turns) < MOST_ITEMS:
            self._turns[media_id] = _Turn(0.0, 0, asyncio.Event())
            self._is_kept = False
            self._changed.set()
        return self._turns.get(media_id)

    def _put_off(self, media_id: str, turn: _Turn) -> None:
        turn.due_at = time.monotonic() + self._pause_seconds
        if media_id in self._turns:
            self._turns.move_to_end(media_id)

    def _end(self, media_id: str) -> None:
        turn = self._turns.pop(media_id, None)
        if turn is not None:
            turn.ended.set()
            self._is_kept = False

    async def _keep(self) -> None:
        if not self._is_kept:
            self._is_kept = True
            await self._disk.ensure(_write, self._path, list(self._turns))


def _read(path: Path) -> list[str]:
    """Runs in a thread. What cannot be read is found when somebody asks for the item."""
    try:
        left = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return []
    return [one for one in left if isinstance(one, str) and ids.is_id(one)] if isinstance(left, list) else []


def _write(path: Path, media_ids: list[str]) -> None:
    """Runs in a thread."""
    try:
        make_folder(path.parent, synced=False)
        replace(path, json.dumps(media_ids).encode(), path.with_suffix(".new"), synced=False)
    except OSError as error:
        logger.warning("which items wait for their details cannot be kept: %s", error)
