"""The end of a resumable upload: its file becomes a media item, once, whatever happens meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime

from app.domain.media import MediaItem
from app.errors import NotFound
from app.media.details import PICTURE_HEAD_BYTES, Inspect
from app.media.sniff import HEAD_BYTES, sniff
from app.media.uploads import clean_name, unsupported
from app.storage import ids
from app.storage.stage import Stage
from app.storage.staging import Staging
from app.storage.store import MediaStore
from app.storage.writer import FinishedFile


class Completion:
    """Makes items of whole uploads."""

    def __init__(self, staging: Staging, store: MediaStore, inspect: Inspect) -> None:
        self._staging = staging
        self._store = store
        self._inspect = inspect

    async def complete(self, stage: Stage) -> None:
        """Make the item if the upload is whole and has none yet; a part of another one gets none.

        Raises:
            UnsupportedMedia: it is no media; the upload is gone.
            StorageFull: there is no room for it; the upload stays whole.
        """
        if not stage.whole or stage.finished or stage.is_partial:
            return
        item = await self._made(stage) or await self._make(stage)
        stage.state.media_id = item.id
        await self._staging.finish(stage)

    async def _made(self, stage: Stage) -> MediaItem | None:
        """Return the item that was made before a crash could be told of it."""
        if stage.state.planned_id is None:
            return None
        try:
            return await self._store.get(stage.state.planned_id)
        except NotFound:
            return None

    async def _make(self, stage: Stage) -> MediaItem:
        head = await self._staging.head(stage, PICTURE_HEAD_BYTES)
        media_type = sniff(head[:HEAD_BYTES])
        if media_type is None:
            await self._staging.remove(stage)
            raise unsupported()
        sha256 = await self._staging.digest(stage)
        stage.state.planned_id = ids.new_id(media_type.kind, datetime.now(UTC))
        await self._staging.save(stage)
        file = FinishedFile(
            path=self._staging.path(stage),
            size_bytes=stage.size_bytes,
            sha256=sha256,
            media_id=stage.state.planned_id,
            name=clean_name(stage.state.name, media_type),
            media_type=media_type,
            details=await self._inspect(media_type, head, self._staging.path(stage)),
        )
        return await self._store.adopt(file)
