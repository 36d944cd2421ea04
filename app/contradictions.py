"""What contradicts itself among the settings, or does not go with the machine: one sentence each, told at start.

A value that is wrong by itself, whatever the machine, is refused where the setting is declared (`app.settings`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.domain.units import MIB
from app.memory.limit import LimitSource, MemoryLimit
from app.models.assets import ModelAssets
from app.settings import Settings

LEAST_LIMIT_BYTES = 64 * MIB
"""Below, nothing is served: the API process takes 46 MiB, and at 48 MiB and less the level is CRITICAL from the start.
At 64 MiB uploads and downloads work (measured, with `BALLAST_MEMORY__LIMIT` and one photo of 53,635 bytes)."""

VISION_LIMIT_BYTES = 200 * MIB
"""The API (46 MiB), the zygote and one child (some 80 MiB), inside the 0.85 that may be reserved: `ballast soak --limit
200M` passes; at 160 MiB most tasks are refused."""

SOURCES: dict[LimitSource, str] = {
    "cgroup2": "of the control group (v2)",
    "cgroup1": "of the control group (v1)",
    "setting": "from BALLAST_MEMORY__LIMIT",
    "physical": "half of physical memory",
}

_SHORT_KEY = 16
"""Characters. A key of 16 random ones of base64 has 96 bits; guessing goes over the network."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """`refused`: the service does not start with it; else it is warned of."""

    sentence: str
    refused: bool


def find_contradictions(settings: Settings, limit: MemoryLimit) -> Iterator[Contradiction]:
    """Yield what is wrong, the worst first. Where the limit is too small to serve nothing else is told: all follows."""
    if limit.limit_bytes < LEAST_LIMIT_BYTES:
        yield Contradiction(
            f"{_words(limit)} is too small: the service itself takes 46 MiB of it. {_mib(LEAST_LIMIT_BYTES)} serve "
            f"uploads, {_mib(VISION_LIMIT_BYTES)} vision, too",
            refused=True,
        )
        return
    yield from _sizes(settings, limit)
    yield from _limits(settings, limit)
    yield from _models(ModelAssets(settings.models.dir))
    yield from _keys(settings.server.api_keys)
    yield from _jobs(settings)
    if "null" in settings.server.origins:
        yield _warned("BALLAST_SERVER__ORIGINS: `null` is allowed, which every sandboxed page and local file has")


def _sizes(settings: Settings, limit: MemoryLimit) -> Iterator[Contradiction]:
    sizes = {
        "BALLAST_UPLOAD__INLINE_MAX_BYTES": settings.upload.inline_max_bytes,
        "BALLAST_VISION__MAX_BYTES": settings.vision.max_bytes,
        "BALLAST_MEMORY__CACHE": settings.memory.cache or 0,
    }
    for variable, size_bytes in sizes.items():
        if size_bytes > limit.limit_bytes:
            yield Contradiction(f"{variable} ({_mib(size_bytes)}) is above {_words(limit)}", refused=True)


def _limits(settings: Settings, limit: MemoryLimit) -> Iterator[Contradiction]:
    wanted = settings.memory.limit
    if wanted is not None and wanted > limit.limit_bytes:
        where = "the control group's" if limit.is_of_group else "the memory of this machine"
        yield _warned(
            f"BALLAST_MEMORY__LIMIT ({_mib(wanted)}) is above {where} ({_mib(limit.limit_bytes)}), which counts"
        )
    if limit.limit_bytes < VISION_LIMIT_BYTES:
        yield _warned(f"{_words(limit)} is small: below {_mib(VISION_LIMIT_BYTES)} most vision requests are refused")


def _models(assets: ModelAssets) -> Iterator[Contradiction]:
    if not assets.folder.exists():
        yield _warned(
            "BALLAST_MODELS__DIR: there is no such folder, so vision answers model_missing (`ballast models`)"
        )
    elif not assets.folder.is_dir():
        yield Contradiction("BALLAST_MODELS__DIR is not a folder", refused=True)
    elif not any((assets.folder / model.name).is_file() for model in assets.manifest.models):
        yield _warned("BALLAST_MODELS__DIR: no model is there, so vision answers model_missing (`ballast models`)")


def _jobs(settings: Settings) -> Iterator[Contradiction]:
    if (settings.jobs.database_url or "").startswith("postgresql") and settings.storage.backend == "local":
        yield _warned(
            "BALLAST_JOBS__DATABASE_URL: machines that share it share jobs, but media is kept on this one's disk, "
            "where no other finds it; for several machines set BALLAST_STORAGE__BACKEND=s3"
        )


def _keys(keys: tuple[str, ...]) -> Iterator[Contradiction]:
    shortest = min(map(len, keys), default=_SHORT_KEY)
    if shortest < _SHORT_KEY:
        letters = "one character" if shortest == 1 else f"{shortest} characters"
        yield _warned(
            f"BALLAST_SERVER__API_KEYS: a key has {letters} and can be guessed; `openssl rand -hex 16` makes one"
        )


def _warned(sentence: str) -> Contradiction:
    return Contradiction(sentence, refused=False)


def _words(limit: MemoryLimit) -> str:
    return f"the memory limit ({_mib(limit.limit_bytes)}, {SOURCES[limit.source]})"


def _mib(nbytes: int) -> str:
    return f"{nbytes / MIB:,.0f} MiB"
