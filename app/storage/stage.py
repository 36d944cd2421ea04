"""One upload that comes in over many requests: what is known about it, and what of that is kept on the disk."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

from pydantic import TypeAdapter

from app.storage.appender import Hash
from app.storage.space import SpaceReservation

PARTIAL = "partial"
FINAL = "final"

_ID = re.compile(r"[0-9a-f]{32}")


def new_stage_id() -> str:
    """Make an id that nobody can guess: whoever knows it may continue the upload."""
    return secrets.token_hex(16)


def is_stage_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def new_hash(name: str) -> Hash:
    """Return a new digest; `name` is one that hashlib knows. MD5 and SHA-1 detect accidents here, not attacks."""
    return hashlib.new(name, usedforsecurity=False)


@dataclass(slots=True)
class StageState:
    """What survives a restart. `length` is how many bytes there will be, None until the client says.

    `name` is what the client calls the file, `metadata` all that it said, as it sent it. `concat` is empty,
    `partial`, or `final;` and the URLs of the parts.
    `held_bytes` is how many bytes can be trusted while others are written whose checksum is still to be compared.
    `planned_id` is the id that the item will get, written down before it is made; `media_id` is that of the item.
    """

    id: str
    length: int | None
    name: str | None
    metadata: str
    concat: str
    held_bytes: int | None = None
    planned_id: str | None = None
    media_id: str | None = None


@dataclass(slots=True, eq=False)
class Stage:
    """One upload. `size_bytes` is how far it has come, `touched_at` when its last byte came (seconds since 1970).

    `sha256` has seen all bytes so far, None after a restart in the middle. `recognised` says that the first bytes
    were looked at and are media.
    """

    state: StageState
    size_bytes: int
    touched_at: float
    reservation: SpaceReservation | None = None
    sha256: Hash | None = None
    recognised: bool = False

    @property
    def finished(self) -> bool:
        """Whether it has become an item."""
        return self.state.media_id is not None

    @property
    def whole(self) -> bool:
        """Whether all bytes are there."""
        return self.size_bytes == self.state.length

    @property
    def is_partial(self) -> bool:
        return self.state.concat == PARTIAL

    @property
    def is_final(self) -> bool:
        return self.state.concat.startswith(FINAL)

    def release(self) -> None:
        """Give back the promised space."""
        if self.reservation is not None:
            self.reservation.release()
            self.reservation = None


def encode(state: StageState) -> bytes:
    return _STATE.dump_json(state)


def decode(data: bytes) -> StageState:
    """Read what `encode` wrote, now or in an earlier version.

    Raises:
        ValueError: it is broken.
    """
    state = _STATE.validate_json(data)
    if not is_stage_id(state.id):
        raise ValueError("the state of an upload has a foreign id")
    return state


_STATE = TypeAdapter(StageState)
