"""`hls`: a video for HTTP Live Streaming, in several sizes, as one item that is served file by file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import ceil
from pathlib import Path, PurePath
from typing import Annotated, Any, ClassVar

from pydantic import Field

from app.errors import InvalidMedia, InvalidParameter
from app.ffmpeg.abilities import Abilities
from app.ffmpeg.cadence import steady_rate
from app.ffmpeg.cutting import Grid, Span, chunk_count, end_of, span_of
from app.ffmpeg.encoders import MIN_SIDE
from app.ffmpeg.parts import Look, PartOrder, check_size, fit, most_video_bytes, part_bytes, video_bytes
from app.ffmpeg.playlists import Variant, correct_end, read_rendition
from app.ffmpeg.profiles import Profile, Rung
from app.ffmpeg.segmenting import Segments, cut_work, keyed_part, sound_bytes, sound_work
from app.jobs.frames.frame_list import list_frames
from app.jobs.kind import JobKind
from app.jobs.outputs.encoding import encoder_for, planned
from app.jobs.outputs.hls_package import Stream, rendition_of, told_of, write_package
from app.jobs.params import JobParams
from app.jobs.plan import Json, Plan, Step
from app.jobs.source import Source
from app.jobs.workshop import Means, Workshop
from app.media.packages import HLS_PACKAGE

_USUAL_HEIGHTS = (1080, 720, 480, 240)
_SHARE_MISSING = 0.02
"""Of the sound: what may be missing at its end before it is called broken."""


class HlsParams(JobParams):
    heights: list[Annotated[int, Field(ge=MIN_SIDE, le=8192)]] | None = Field(
        None, min_length=1, max_length=8, description="Of the renditions, in pixels; higher than the video: as it is."
    )
    segment_seconds: float = Field(6.0, ge=1, le=30, description="How long each segment is.")
    quality: int = Field(66, ge=1, le=100, description="Of the pictures; 66 is hardly told from the source.")


class Hls(JobKind[HlsParams]):
    name: ClassVar[str] = "hls"
    summary: ClassVar[str] = "Playlists and segments for players, in several sizes (HTTP Live Streaming)."
    is_streamed = True
    params = HlsParams

    def plan(self, sources: Sequence[Source], params: HlsParams, means: Means) -> Plan:
        """Return the steps: where it is cut, each part of each rendition, each rendition's segments, the sound, all."""
        source = sources[0]
        seconds = source.duration_seconds
        looks = _looks(source, params, means.abilities)
        if source.audio is not None and "aac" not in means.abilities.encoders:
            raise InvalidParameter("input: its sound cannot be encoded: this machine's ffmpeg has no aac encoder.")
        count = _part_count(seconds, params)
        steps = [Step("cuts", "finding the frames", seconds / 100 + 0.1)]
        for look in looks:
            share = seconds * look.height / max(one.height for one in looks) / count
            steps += [
                Step(
                    f"p{look.height}-{place + 1:04}",
                    f"encoding {look.height} lines, part {place + 1} of {count}",
                    share,
                    {"height": look.height, "place": place},
                )
                for place in range(count)
            ]
            steps.append(Step(f"p{look.height}", f"cutting {look.height} lines", seconds / 200, {"of": look.height}))
        if source.audio is not None:
            steps.append(Step("sound", "encoding the sound", seconds / 50 + 0.1))
        steps.append(Step("package", "putting the files together", seconds / 100 + 0.1))
        whole = [_order(source, Path("/"), Span(0, seconds, 1), look) for look in looks]
        disk_bytes = 3 * sum(video_bytes(look, seconds, source.video.frame_rate) for look in looks)
        disk_bytes += 2 * sound_bytes(seconds)
        chunk_seconds = min(seconds, _part_seconds(seconds, params))
        return planned(steps, partial(_most_bytes, whole), means, disk_bytes, chunk_seconds)

    async def do(self, step: Step, params: HlsParams, shop: Workshop) -> Json:
        if step.name == "package":
            return await _package(params, shop)
        if "of" in step.args:
            return await _cut(int(step.args["of"]), params, shop)
        source = shop.sources[0]
        async with shop.local(source) as path:
            if step.name == "cuts":
                return await _cuts(source, path, params, shop)
            if step.name == "sound":
                return await _sound(source, path, params, shop)
            return await _part(step, path, params, shop)

    def summary_of(self, params: HlsParams, results: Sequence[Json]) -> dict[str, Any]:  # noqa: ARG002
        return dict(results[-1])


def _looks(source: Source, params: HlsParams, abilities: Abilities) -> list[Look]:
    """Return the renditions, the highest first: never higher than the video.

    Raises:
        InvalidParameter: one is too small to be encoded, or there is no encoder.
    """
    video = source.video
    there = [height for height in _USUAL_HEIGHTS if height <= video.height] or [video.height]
    encoder = encoder_for("h264", abilities)
    sizes = {fit(video.width, video.height, height) for height in params.heights or there}
    for width, height in sizes:
        check_size(width, height)
    return [Look(encoder, *size, params.quality) for size in sorted(sizes, reverse=True)]


def _most_bytes(whole: Sequence[PartOrder], rung: Rung) -> int:
    return max(part_bytes(one, Rung(rung.profile)) for one in whole)


def _part_count(seconds: float, params: HlsParams) -> int:
    return max(1, ceil(seconds / _part_seconds(seconds, params) - 1e-6))


def _part_seconds(seconds: float, params: HlsParams) -> float:
    """Return how long a part is: so many segments as make about the length that is usual for parts."""
    segments = ceil(seconds / chunk_count(seconds, None) / params.segment_seconds - 1e-6)
    return max(1, segments) * params.segment_seconds


def _order(source: Source, path: Path, span: Span, look: Look, rate: float | None = None) -> PartOrder:
    grid = None if rate is None else Grid.of(span, rate)
    return PartOrder(path, source.item.content_type, source.video, source.duration_seconds, span, grid, look)


def _look(source: Source, params: HlsParams, shop: Workshop, height: int) -> Look:
    looks = _looks(source, params, shop.ffmpeg.abilities)
    return next(look for look in looks if look.height == height)


async def _cuts(source: Source, path: Path, params: HlsParams, shop: Workshop) -> Json:
    """Return the parts as `[start, end, frames]`: each begins where a segment does.

    `rate`: frames come at irregular times, which not all players take from segments; they are shown so many a second.
    """
    times = (await list_frames(shop, source, path)).times
    rate = await shop.files.run(steady_rate, times)
    end, length = end_of(times, source.duration_seconds), _part_seconds(source.duration_seconds, params)
    edges = [times[0] + place * length for place in range(_part_count(source.duration_seconds, params))]
    spans = [span_of(times, start, stop) for start, stop in zip(edges, [*edges[1:], end + 1.0], strict=True)]
    return {"parts": [[one.start, min(end, one.end), one.frames] for one in spans], "end": end, "rate": rate}


async def _part(step: Step, path: Path, params: HlsParams, shop: Workshop) -> Json:
    source, height, place = shop.sources[0], int(step.args["height"]), int(step.args["place"])
    start, end, frames = shop.results["cuts"]["parts"][place]
    if not frames:  # it ends before: the container said more than there is
        return {"frames": 0}
    look, rate = _look(source, params, shop, height), shop.results["cuts"]["rate"]
    order = _order(source, path, Span(start, end, frames), look, rate)
    target = shop.file(f"{step.name}.mp4")
    first = shop.results.get(f"p{height}-0001")
    highest = Profile.HIGH if first is None else Profile[first["profile"]]
    report = await shop.ffmpeg.encode(
        lambda rung: keyed_part(order, rung, target, params.segment_seconds), highest, shop.progress
    )
    assert report.rung is not None
    return {
        "frames": report.frames or 0,
        "seconds": order.span.seconds if rate is None else order.frames / rate,
        "profile": report.rung.profile.name,
        "peakBytes": report.peak_bytes,
    }


async def _cut(height: int, params: HlsParams, shop: Workshop) -> Json:
    """Cut a rendition into segments. The parts of those before it are not needed any more, and make room."""
    source, name = shop.sources[0], f"p{height}"
    await _remove_parts(shop)
    parts = _parts_of(shop, name)
    folder = shop.file(f"{height}p")
    await shop.files.clear(folder)
    frames = sum(result["frames"] for _, result in parts)
    work = cut_work(
        [(shop.file(f"{part}.mp4"), result["seconds"]) for part, result in parts],
        frames,
        source.video.frame_rate,
        most_video_bytes(_look(source, params, shop, height), frames),
        Segments(folder, params.segment_seconds),
    )
    await shop.ffmpeg.run(work, shop.progress)
    await shop.files.run(correct_end, folder, sum(result["seconds"] for _, result in parts))
    return told_of(await shop.files.run(read_rendition, folder))


async def _sound(source: Source, path: Path, params: HlsParams, shop: Workshop) -> Json:
    assert source.audio is not None
    folder = shop.file("audio")
    await shop.files.clear(folder)
    cuts = shop.results["cuts"]
    start, end = cuts["parts"][0][0], cuts["end"]
    segments = Segments(folder, params.segment_seconds)
    await shop.ffmpeg.run(
        sound_work(path, source.item.content_type, source.audio, (start, end), segments), shop.progress
    )
    rendition = await shop.files.run(read_rendition, folder)
    wanted = (source.audio.duration_seconds or 0.0) - start
    if rendition.seconds < wanted * (1 - _SHARE_MISSING) - 0.5:
        raise InvalidMedia(f"The sound ends after {rendition.seconds:.2f} of {wanted:.2f} seconds: it is broken.")
    return told_of(rendition)


async def _package(params: HlsParams, shop: Workshop) -> Json:
    """Put all files into one item, and tell what is in it."""
    source = shop.sources[0]
    await _remove_parts(shop)
    looks = _looks(source, params, shop.ffmpeg.abilities)
    rate = shop.results["cuts"]["rate"] or source.video.frame_rate
    variants = [
        Variant(rendition_of(f"{one.height}p", shop.results[f"p{one.height}"]), one.width, one.height, rate)
        for one in looks
    ]
    audio = rendition_of("audio", shop.results["sound"]) if "sound" in shop.results else None
    stream = Stream(variants, audio)
    target = shop.file("package.zip")
    size_bytes = await write_package(stream, target, shop)
    media_id = await shop.keep(target, f"{PurePath(source.item.name).stem or 'video'}.zip", HLS_PACKAGE.content_type)
    return {
        "master": f"/v1/media/{media_id}/hls/master.m3u8",
        "segmentSeconds": params.segment_seconds,
        "sizeBytes": size_bytes,
        **stream.document(),
    }


def _parts_of(shop: Workshop, name: str) -> list[tuple[str, Json]]:
    found = [(part, one) for part, one in shop.results.items() if part.startswith(f"{name}-") and one["frames"]]
    return sorted(found, key=lambda one: one[0])


async def _remove_parts(shop: Workshop) -> None:
    """Remove the parts of renditions whose segments are there: they are not needed any more."""
    done = {name for name, result in shop.results.items() if "codec" in result}
    parts = [name for name in shop.results if name.partition("-")[0] in done and "-" in name]
    await shop.files.remove([shop.file(f"{name}.mp4") for name in parts])
