"""Parts that are joined by copy have to be decoded by the same parameters, those of the first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from app.errors import WorkerFailed
from app.ffmpeg.profiles import Profile
from app.jobs.workshop import Workshop

EncodeAgain: TypeAlias = Callable[[int, Profile, Path], Awaitable[Profile]]
"""Encodes the part of this number to a path with a profile, or a lower one where memory does not do; returns which."""

_ROUNDS = len(Profile) + 1
"""In each, the least profile falls, or all parts have it."""


async def make_alike(parts: Sequence[tuple[Path, Profile]], again: EncodeAgain, shop: Workshop) -> Sequence[Profile]:
    """Return the profiles of the parts after those were encoded again, and replaced, that were not like the rest.

    The files tell, and not the profiles: parts may have been made by machines with other versions of an encoder.

    Raises:
        WorkerFailed: they do not come to be alike.
        BallastError: see `FFmpegWorks.encode`.
    """
    profiles = [profile for _, profile in parts]
    for _ in range(_ROUNDS):
        if len({await _parameters(path, shop) for path, _ in parts}) == 1:
            return profiles
        least = min(profiles)
        for place in [n for n, profile in enumerate(profiles) if profile != least] or range(len(parts)):
            path = parts[place][0]
            fresh = path.with_name(f"again-{path.name}")
            profiles[place] = await again(place, least, fresh)
            await shop.files.run(fresh.replace, path)
    raise WorkerFailed("The parts of the video did not come out alike.")


async def _parameters(path: Path, shop: Workshop) -> str | None:
    video = (await shop.ffmpeg.probe(path, "video/mp4")).video
    return None if video is None else video.parameters
