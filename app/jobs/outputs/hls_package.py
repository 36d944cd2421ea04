"""The files of an HTTP Live Stream, put together into one package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.ffmpeg.playlists import INDEX, INITIALISATION, SEGMENTS, Rates, Rendition, Variant, master
from app.jobs.plan import Json
from app.jobs.workshop import Workshop
from app.media.package_writer import PackageWriter

_FILES_AT_A_TIME = 16
"""How many are written between two looks at whether the job is cancelled."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Its renditions, each in a folder of its name in the job's folder; the highest first."""

    variants: Sequence[Variant]
    audio: Rendition | None

    def document(self) -> dict[str, Any]:
        """Return what is told of it in the summary."""
        return {
            "durationSeconds": round(self.variants[0].rendition.seconds, 3),
            "audio": self.audio is not None,
            "renditions": [
                {
                    "name": one.rendition.name,
                    "width": one.width,
                    "height": one.height,
                    "bandwidth": one.rendition.rates.plus(None if self.audio is None else self.audio.rates).peak,
                    "segments": one.rendition.segments,
                }
                for one in self.variants
            ],
        }

    def files(self, folder: Path) -> Iterator[tuple[str, Path]]:
        """Give the name of each file in the package, and where it is; segments follow one another."""
        audio = [] if self.audio is None else [self.audio]
        for one in [*(variant.rendition for variant in self.variants), *audio]:
            names = [INDEX, INITIALISATION, *(SEGMENTS % number for number in range(one.segments))]
            yield from ((f"{one.name}/{name}", folder / one.name / name) for name in names)


async def write_package(stream: Stream, target: Path, shop: Workshop) -> int:
    """Write all files of a stream to `target`; return its size.

    Raises:
        StorageFull: there is no room for it.
    """
    files = list(stream.files(target.parent))
    package = await shop.files.run(PackageWriter, target)
    try:
        await shop.files.run(package.add, "master.m3u8", master(stream.variants, stream.audio).encode())
        for at in range(0, len(files), _FILES_AT_A_TIME):
            await shop.files.run(_add_all, package, files[at : at + _FILES_AT_A_TIME])
            await shop.progress(at / len(files))
        return await shop.files.run(package.finish)
    finally:
        await shop.files.run(package.close)


def told_of(rendition: Rendition) -> Json:
    """Return what a step keeps of a rendition."""
    rates = rendition.rates
    return {
        "codec": rendition.codec,
        "peak": rates.peak,
        "average": rates.average,
        "seconds": rendition.seconds,
        "segments": rendition.segments,
    }


def rendition_of(name: str, told: Json) -> Rendition:
    """Return the rendition of which a step kept this."""
    return Rendition(name, told["codec"], Rates(told["peak"], told["average"]), told["seconds"], told["segments"])


def _add_all(package: PackageWriter, files: Sequence[tuple[str, Path]]) -> None:
    for name, path in files:
        package.add(name, path)
