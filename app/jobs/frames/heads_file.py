"""Heads that were found in the frames of a part of a video: a line of JSON for each frame, in a file of the job."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

from app.domain.region import Region
from app.errors import WorkerFailed
from app.ffmpeg.cutting import Span
from app.ffmpeg.works import Work
from app.jobs.frames.look_cost import check_fits, decoder_threads, look_bytes
from app.jobs.frames.sampling import Samples, frames_work
from app.jobs.frames.task_params import face_search
from app.jobs.plan import Json
from app.jobs.source import Source
from app.jobs.workshop import Workshop
from app.vision.frame_request import FrameRequest
from app.vision.tally import Tally

LONGEST_SIDES = (1920, 1280)
"""In which size a video is searched: a face of 24 pixels is found there. The second is where the first cannot fit."""

_MOST_FPS = 60.0
_SEARCHES_A_SECOND = 4.0
"""How often all of a frame is searched; where a face was, every frame is looked at. A face that comes in is found
within a quarter of a second, and was covered before by `coverage`."""

_MISSING = 2


@dataclass(frozen=True, slots=True)
class Search:
    """How frames are searched: in pictures of this longest side, by so many threads of the decoder."""

    longest_side: int = LONGEST_SIDES[0]
    threads: int = 2


def search_for(source: Source, limit_bytes: int) -> tuple[Search, int]:
    """Return how a video is searched within a limit, and what a step of that takes.

    Raises:
        MemoryExceedsLimit: it cannot be; with both numbers.
    """
    two_bytes = _search_bytes(source, Search())
    threads = decoder_threads(two_bytes, limit_bytes)
    ways = [Search(side, threads) for side in LONGEST_SIDES]
    way = next((one for one in ways if _search_bytes(source, one) <= limit_bytes), ways[-1])
    check_fits(_search_bytes(source, way), limit_bytes)
    return way, _search_bytes(source, way)


def likely_rate(source: Source) -> float:
    """Return how many frames a second will be looked at, and masks drawn, as far as can be told from outside."""
    return min(_MOST_FPS, source.video.frame_rate or 30.0)


def rate_of(source: Source, times: Sequence[float]) -> float:
    """Return how many frames a second are looked at, and masks drawn: as many as there are where they come fastest.

    Of slow motion it is not more than 60.
    """
    if not source.video.is_variable_rate:
        return likely_rate(source)
    gaps = sorted(later - time for time, later in pairwise(times) if later > time)
    least = gaps[len(gaps) // 20] if gaps else 1 / 30
    return max(likely_rate(source), min(_MOST_FPS, 1 / least))


def tick_count(span: Span, rate: float) -> int:
    """Return how many looks a part has."""
    return max(1, round(span.seconds * rate))


async def find_heads(shop: Workshop, span: Span, rate: float, search: Search, target: Path) -> Json:
    """Find the heads in a part, `rate` times a second; a child that dies has it done once more.

    Raises:
        ModelMissing: the model of face-detection is not installed.
        BallastError: see `FrameLooks.open`, `FrameLook.over` and `FFmpegWorks.sample`.
    """
    with suppress(WorkerFailed):
        return await _find(shop, span, rate, search, target)
    return await _find(shop, span, rate, search, target)


async def read_heads(shop: Workshop, path: Path) -> list[list[Region]]:
    """Return the heads of each frame; none where there is no such file."""
    lines = (await shop.files.text(path)).splitlines()
    return [[Region(*sides) for sides in json.loads(line)] for line in lines]


async def _find(shop: Workshop, span: Span, rate: float, search: Search, target: Path) -> Json:
    source, tally = shop.sources[0], Tally()
    request = _request(shop.client, source, rate, search)
    work = partial(_work, source=source, samples=_samples(span, rate), request=request, threads=search.threads)
    samples = _samples(span, rate)
    async with (
        shop.files.part(target) as file,
        shop.local(source) as path,
        shop.frames.open(request) as look,
        shop.ffmpeg.sample(work(path), request.width, request.height) as sampled,
    ):
        async for found in look.over(sampled.descriptor, samples.times, samples.most_missing):
            await file.write(b"".join(line + b"\n" for line in found.lines))
            tally.add(found.tally)
            await shop.progress(tally.frames / len(samples.times))
    return tally.as_dict()


def _work(path: Path, source: Source, samples: Samples, request: FrameRequest, threads: int) -> Work:
    size = request.width, request.height
    return frames_work(path, source.item.content_type, source.video, samples, size, threads)


def _search_bytes(source: Source, search: Search) -> int:
    request = _request("", source, likely_rate(source), search)
    size = request.width, request.height
    return look_bytes(source.video, size, search.threads, request.task) + request.extra_bytes


def _request(client: str, source: Source, rate: float, search: Search) -> FrameRequest:
    task, params = face_search()
    width, height = source.video.width, source.video.height
    scale = min(1.0, search.longest_side / max(width, height))
    return FrameRequest(
        task,
        params,
        max(2, round(width * scale)),
        max(2, round(height * scale)),
        client,
        subject=source.item.id,
        follow_every=max(1, round(rate / _SEARCHES_A_SECOND)),
    )


def _samples(span: Span, rate: float) -> Samples:
    """Return one look for each tick: what is shown nearest to it, as the masks are laid on."""
    count = tick_count(span, rate)
    times: Sequence[float] = [span.start + number / rate for number in range(count)]
    filters = [f"fps={rate:.6f}:round=near:start_time=0"]
    return Samples(times, [], span.start, span.end, (), filters, most_missing=_MISSING)
