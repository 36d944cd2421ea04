"""What a soak does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.domain.units import GIB


@dataclass(frozen=True, slots=True)
class SoakPlan:
    """The load, all of it at once, on a service that is held to `limit_bytes`.

    `photos` pictures are analysed, `in_flight` at a time; with `minutes` as many as there is time for. Beside them
    `streams` WebSockets send `frames_per_second` frames each, and one upload of `upload_bytes` comes in.
    """

    limit_bytes: int
    photos: int = 1000
    minutes: float | None = None
    photos_folder: Path | None = None
    in_flight: int = 4
    streams: int = 4
    frames_per_second: float = 30.0
    upload_bytes: int = GIB
    task: str = "hands"
