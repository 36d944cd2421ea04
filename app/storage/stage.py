"""One upload that comes in over many requests: what is known about it, and how that is kept on the disk."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime

from app.storage.appender import Hash
from app.storage.space import SpaceReservation

PARTIAL = "partial"
FINAL = "final"

_ID = re.compile(r"[0-9a-f]{32}")


def new_stage_id() -> str:
    """Make an id that nobody guesses: whoever knows it may go on with the upload."""
    return secrets.token_hex(16)


def is_stage_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def new_hash(name: str) -> Hash:
    """Return a new digest; `name` is one that hashlib knows. MD5 and SHA-1 find accidents here, not attacks."""
    return hashlib.new(name, usedforsecurity=False)


@dataclass(slots=True)
class StageState:
    """What lasts. `length` is how many bytes there will be, None as long as the client has not said.

    `name` is what the client calls the file, `metadata` all that it said, as it sent it. `concat` is empty,
    `partial`, or `final;` and the URLs of the parts.
    `held_bytes` is how many bytes may be believed while others are written whose checksum is still to be compared.
    `planned_id` is the id that the item will get, written down before it is made; `media_id` is that of the item.
    """

    id: str
    length: int | None
    name: str | None
    metadata: str
    concat: str
    created_at: datetime
    held_bytes: int | None = None
    planned_id: str | None = None
    media_id: str | None = None


@dataclass(slots=True, eq=False)
class Stage:
    """One upload. `size_bytes` is how far it has come, `touched_at` when its last byte came (seconds since 1970).

    `sha256` has seen all bytes so far, None where it could not be carried on. `recognised` says that the first bytes
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
    return json.dumps({**asdict(state), "created_at": state.created_at.isoformat()}).encode()


def decode(data: bytes) -> StageState:
    """Read what `encode` wrote.

    Raises:
        ValueError: it is broken.
    """
    try:
        document = json.loads(data)
        document["created_at"] = datetime.fromisoformat(document["created_at"])
        state = StageState(**document)
    except (KeyError, TypeError) as error:
        raise ValueError(f"the state of an upload is broken: {error}") from error
    if not is_stage_id(state.id):
        raise ValueError("the state of an upload has a foreign id")
    return state
