"""What the ffmpeg of this machine can do: asked once, when it is first needed."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

from app.domain.units import MIB
from app.ffmpeg.runner import FFmpegRunner, RunLimits

_LIMITS = RunLimits(data_bytes=128 * MIB, deadline_seconds=30.0, output_bytes=MIB)
"""Listing takes 60 ms and 60 MiB (FFmpeg 5.1), most of it libraries; it is done before there is anything to serve."""

_NAMED = re.compile(rb"^ +[A-Z.|]{1,6} +([\w,-]+) ", re.MULTILINE)
"""A line of `-encoders`, `-muxers` or `-filters`: flags, then a name."""

_VERSION = re.compile(rb"^ffmpeg version (\S+)")


@dataclass(frozen=True, slots=True)
class Abilities:
    """`version` as `ffmpeg -version` says it ("5.1.9-0+deb12u1"); the names of its encoders, muxers and filters. None
    of them: ffmpeg is not installed."""

    version: str | None = None
    encoders: frozenset[str] = frozenset()
    muxers: frozenset[str] = frozenset()
    filters: frozenset[str] = frozenset()


class AbilityReader:
    """Asks once, and remembers the answer."""

    def __init__(self, ffmpeg: Path | None, runner: FFmpegRunner) -> None:
        self._ffmpeg = ffmpeg
        self._runner = runner
        self._asking: asyncio.Task[Abilities] | None = None

    async def read(self) -> Abilities:
        """Return what ffmpeg can do; nothing where it is not installed.

        Raises:
            ProcessingTimeout, Overloaded, WorkerFailed: see `FFmpegRunner.run`; the next call asks again.
        """
        asking = self._asking
        if asking is None or (asking.done() and (asking.cancelled() or asking.exception() is not None)):
            self._asking = asking = asyncio.create_task(self._read(), name="ffmpeg-abilities")
        return await asyncio.shield(asking)

    async def aclose(self) -> None:
        """End asking."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait((self._asking,))

    async def _read(self) -> Abilities:
        if self._ffmpeg is None:
            return Abilities()
        version = _VERSION.match(await self._ask(self._ffmpeg, "-version"))
        return Abilities(
            version=version[1].decode(errors="replace") if version else "unknown",
            encoders=listed_names(await self._ask(self._ffmpeg, "-encoders")),
            muxers=listed_names(await self._ask(self._ffmpeg, "-muxers")),
            filters=listed_names(await self._ask(self._ffmpeg, "-filters")),
        )

    async def _ask(self, ffmpeg: Path, what: str) -> bytes:
        return (await self._runner.run(ffmpeg, ["-hide_banner", what], _LIMITS)).stdout


def listed_names(listing: bytes) -> frozenset[str]:
    """Return the names in what `-encoders`, `-muxers` or `-filters` print."""
    found = (name.decode("ascii", "replace") for name in _NAMED.findall(listing))
    return frozenset(one for names in found for one in names.split(","))
