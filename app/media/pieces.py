"""What a client says of a resumable upload and of each piece of it, and what it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from app.domain.media import Chunk
from app.media.assembly import Checksum
from app.storage.stage import StageState, new_stage_id


@dataclass(frozen=True, slots=True)
class Creation:
    """What a client says of a new upload: its length (None: it says later), its name, and `metadata` as it was sent."""

    length: int | None
    name: str | None = None
    metadata: str = ""
    partial: bool = False
    client: str = ""

    def state(self, concat: str, length: int | None, parts: str = "") -> StageState:
        """Return what is to be known of it at first."""
        return StageState(new_stage_id(), length, self.name, self.metadata, concat, parts=parts, client=self.client)


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes for an upload. `declared_bytes` is how many were announced, `length` how many the whole will have."""

    offset: int
    chunks: AsyncIterator[Chunk]
    declared_bytes: int | None = None
    length: int | None = None
    checksum: Checksum | None = None
    client: str = ""


@dataclass(frozen=True, slots=True)
class ResumableUpload:
    """How far an upload has come; `media_id` once it has become an item.

    `concat` is empty, `partial` or `final`; `part_ids` are the uploads that a final one was joined from.
    """

    id: str
    offset: int
    length: int | None
    metadata: str
    concat: str
    part_ids: tuple[str, ...]
    expires_at: datetime
    media_id: str | None
