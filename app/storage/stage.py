"""One upload that comes in over many requests: what is known about it, and what of that is kept on the disk."""

from __future__ import annotations

import hashlib
import re
import secrets
import sys
from dataclasses import dataclass

from pydantic import TypeAdapter

from app.storage.appender import Hash
from app.storage.space import SpaceReservation

PARTIAL = "partial"
FINAL = "final"

RECORD_BYTES = 2048
"""What one upload takes in memory besides its texts: 1.0 kB (tracemalloc, 2000 of them, half-way and with every member
set), its digest 0.3 kB outside of Python's heap, and 0.3 kB while the ages are written."""

_ID_CHARACTERS = 32
_ID = re.compile(r"[0-9a-f]{32}")


def new_stage_id() -> str:
    """Make an id that nobody can guess: whoever knows it may continue the upload."""
    return secrets.token_hex(_ID_CHARACTERS // 2)


def is_stage_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def new_hash(name: str) -> Hash:
    """Return a new digest; `name` is one that hashlib knows. MD5 and SHA-1 detect accidents here, not attacks."""
    return hashlib.new(name, usedforsecurity=False)


@dataclass(slots=True)
class StageState:
    """What survives a restart. `length` is how many bytes there will be, None until the client says.

    `name` is what the client calls the file, `metadata` all that it said, as it sent it. `concat` is empty,
    `partial` or `final`; `parts` are the ids of what a final one was joined from, one behind the other without a
    separator. `client` is who began it, as the ledgers know it.
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
    parts: str = ""
    client: str = ""

    @property
    def part_ids(self) -> tuple[str, ...]:
        return tuple(self.parts[at : at + _ID_CHARACTERS] for at in range(0, len(self.parts), _ID_CHARACTERS))


@dataclass(slots=True, eq=False)
class Stage:
    """One upload. `size_bytes` is how far it has come, `touched_at` when its last byte came (seconds of the clock).

    `sha256` has seen all bytes so far, None after a restart in the middle. `is_secured` says that all bytes so far are
    known to survive a power cut, and that the file takes no more blocks than they need. `recognised` says that the
    first bytes were looked at and are media. `joined_into` is the id of the upload that a part was joined into.
    """

    state: StageState
    size_bytes: int
    touched_at: float
    reservation: SpaceReservation | None = None
    sha256: Hash | None = None
    is_secured: bool = False
    recognised: bool = False
    joined_into: str | None = None

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
        return self.state.concat == FINAL

    @property
    def memory_bytes(self) -> int:
        """What it takes in memory, at most."""
        texts = (self.state.name or "", self.state.metadata, self.state.parts, self.state.client)
        return RECORD_BYTES + sum(map(sys.getsizeof, texts))

    def release(self) -> None:
        """Give back the promised space; the digest is not needed any more either."""
        self.sha256 = None
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
    kind, semicolon, urls = state.concat.partition(";")
    if semicolon:  # an earlier version kept the header as it was sent
        names = (url.partition("?")[0].rpartition("/")[2] for url in urls.split())
        state.concat = kind
        state.parts = "".join(dict.fromkeys(filter(is_stage_id, names)))
    return state


_STATE = TypeAdapter(StageState)
