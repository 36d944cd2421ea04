"""What was found before: the same picture, task, parameters and size need no second look, and no two at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from typing import Any

from app import __version__
from app.derived.cache import DerivedCache
from app.derived.flights import Flights
from app.domain.analysis_size import AnalysisSize
from app.domain.pressure import ProcessingMode
from app.domain.receipt import Receipt
from app.media.pictures import Picture
from app.memory.cache import CacheKey
from app.vision.plan import Output
from app.vision.result import AnalysisResult
from app.vision.task import VisionTask

SOURCE = "vision"
"""Its name in the cache."""

_MEMBERS = (
    "task", "model", "width", "height", "analyzed_width", "analyzed_height", "decode_seconds", "inference_seconds",
)  # fmt: skip


def result_key(
    task: type[VisionTask], params: Any, box: AnalysisSize, picture: bytes, media_id: str = "", work: str = "look"
) -> CacheKey:
    """Return what detections depend on: the picture, the task with its resolved parameters, the analysis size.

    `media_id` is that of the stored picture, with which they go; empty for one that was only sent. `work` is how the
    picture is looked at.
    """
    asked = json.dumps([__version__, work, task.name, task.bundle(params), asdict(params), box.width, box.height])
    # 2 GB a second: 5 MiB hold the loop for 2.5 ms, less than an inference.
    digest = hashlib.sha256(asked.encode() + b"\0" + hashlib.sha256(picture).digest())
    return CacheKey(SOURCE, media_id, digest.hexdigest())


class RememberedResults:
    """Keeps detections in the cache; pictures and masks are large, and cheap to draw.

    A remembered result says so (`cached`); its times and its receipt's bytes are those of the look that found it.
    """

    def __init__(self, cache: DerivedCache) -> None:
        self._cache = cache
        self._looks = Flights[AnalysisResult]()

    async def find_or_look(
        self, key: CacheKey, mode: ProcessingMode, picture: Picture, look: Callable[[], Awaitable[AnalysisResult]]
    ) -> AnalysisResult:
        """Return what is known under `key`, for an answer in this mode; else `look`, once for all who ask meanwhile.

        Raises:
            BallastError: what `look` raised.
        """
        found = await self._find(key, mode)
        if found is not None:
            return found
        has_looked = False

        @asynccontextmanager
        async def work() -> AsyncIterator[AnalysisResult]:
            nonlocal has_looked
            has_looked = True
            result = await look()
            await self._keep(key, result)
            yield result

        # Those who must not wait long do not wait for a batch, which may.
        flight = (picture.customer.priority, key)
        async with self._looks.join(flight, work, picture.put_aside) as result:
            return result if has_looked else replace(result, queued_seconds=0.0, cached=True)

    async def _find(self, key: CacheKey, mode: ProcessingMode) -> AnalysisResult | None:
        kept = self._cache.find_in_memory(key)
        if kept is not None:
            return _read(kept.head, kept.body, mode)
        if not key.subject:
            return None
        async with self._cache.find_in_file(key) as found:
            if found is None or not isinstance(found.body, bytes):
                return None
            return _read(found.head, found.body, mode)

    async def _keep(self, key: CacheKey, result: AnalysisResult) -> None:
        """Keep a result, unless it was found in a smaller size than the key says."""
        if result.reduced:
            return
        members: dict[str, Any] = {name: getattr(result, name) for name in _MEMBERS}
        members["bytes"] = [result.receipt.predicted_bytes, result.receipt.peak_bytes]
        await self._cache.keep(key, json.dumps(members).encode(), result.payload)


def _read(head: bytes, payload: bytes, mode: ProcessingMode) -> AnalysisResult:
    members = json.loads(head)
    predicted_bytes, peak_bytes = members.pop("bytes")
    return AnalysisResult(
        **members,
        output=Output.DETECTIONS,
        payload=payload,
        queued_seconds=0.0,
        receipt=Receipt(predicted_bytes, peak_bytes, mode),
        cached=True,
    )
