"""What the ffmpeg of this machine can do: asked once, when it is first needed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Abilities:
    """`version` as `ffmpeg -version` says it ("5.1.9-0+deb12u1"); the names of its encoders, muxers and filters. None
    of them: ffmpeg is not installed."""

    version: str | None = None
    encoders: frozenset[str] = frozenset()
    muxers: frozenset[str] = frozenset()
    filters: frozenset[str] = frozenset()
