"""What a soak is to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.domain.units import GIB

ALL_TASKS = ("all",)
"""As `tasks` of a plan: every task that the service has a model for."""


@dataclass(frozen=True, slots=True)
class SoakPlan:
    """The load, all of it at once, on a service that is held to `limit_bytes`.

    `photos` pictures are analysed, `in_flight` at a time, by the `tasks` in turn; with `minutes` as many as there is
    time for. Beside them `streams` WebSockets send `frames_per_second` frames each, `images` pictures at a time are
    transformed where the service does that, `jobs` at a time are done on a small film where it has jobs, and one upload
    of `upload_bytes` comes in.
    """

    limit_bytes: int
    photos: int = 1000
    minutes: float | None = None
    photos_folder: Path | None = None
    in_flight: int = 4
    streams: int = 4
    frames_per_second: float = 30.0
    upload_bytes: int = GIB
    tasks: tuple[str, ...] = ("hands",)
    images: int = 1
    jobs: int = 0
