"""`clip`: parts of one or several videos, in any order, as one video; exact to the frame and to the sample of sound.

Each part's pictures are encoded by themselves (or copied), its sound is taken out sample by sample, and all sound is
encoded once: sound that was encoded in parts would be 40 ms late after each join.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from app.domain.units import MIB
from app.errors import InvalidParameter
from app.ffmpeg import sound
from app.ffmpeg.cutting import Grid, Span, end_of, keyframe_span, span_of
from app.ffmpeg.joining import Joined, SoundTrack, join_work, list_input, list_text
from app.ffmpeg.packet_times import PacketTimes
from app.ffmpeg.parts import Look, PartOrder, copied_part, most_video_bytes, part_bytes, video_bytes
from app.ffmpeg.works import Expectation
from app.jobs.frames.frame_list import list_frames
from app.jobs.kind import JobKind
from app.jobs.outputs.encoding import check_file, encode_part, planned, result_name
from app.jobs.outputs.segments import (
    Segment,
    check_copy,
    check_segment,
    common_rate,
    has_sound,
    look_of,
    source_of,
    unique_seconds,
)
from app.jobs.params import JobParams
from app.jobs.plan import Json, Plan, Step
from app.jobs.source import Source
from app.jobs.workshop import Means, Workshop


class ClipParams(JobParams):
    segments: list[Segment] = Field(min_length=1, max_length=200, description="In the order in which they are shown.")
    accuracy: Literal["exact", "keyframe"] = Field(
        "exact", description="keyframe: the pictures are copied, from the key frame before to the one after."
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    """A segment with its source and where it begins and ends in it, and in what is made of it (seconds)."""

    source: Source
    span: Span
    begins: float
    ends: float


class Clip(JobKind[ClipParams]):
    name = "clip"
    summary = "Parts of one or several videos as one video, exact to the frame."
    max_inputs = 32
    params = ClipParams

    def usual(self, sources: Sequence[Source]) -> dict[str, Any]:
        """Return all of it: what each part takes does not go with its length."""
        return {"segments": [{"start": 0, "end": sources[0].picture_seconds}]}

    def plan(self, sources: Sequence[Source], params: ClipParams, means: Means) -> Plan:
        """See `JobKind.plan`."""
        for place, segment in enumerate(params.segments):
            check_segment(place, segment, sources)
        lengths = [segment.end - segment.start for segment in params.segments]
        used = [source_of(segment, sources) for segment in params.segments]
        count = len(lengths)
        steps = [Step("cuts", "finding the frames", sum(unique_seconds(used)) / 200 + 0.1)]
        for place, seconds in enumerate(lengths):
            words, share = f"segment {place + 1} of {count}", 1 if params.accuracy == "exact" else 0.05
            steps.append(Step(f"part-{place + 1:04}", f"cutting {words}", seconds * share, {"place": place}))
            if has_sound(sources):
                steps.append(Step(f"sound-{place + 1:04}", f"sound of {words}", seconds / 50, {"place": place}))
        steps.append(Step("join", "joining the segments", sum(lengths) / 30))
        look = look_of(sources, used, means.abilities)
        if params.accuracy == "keyframe":
            check_copy(used)
        orders = [_order(source, Path("/"), Span(0, source.duration_seconds, 1), None, look) for source in used]
        return planned(
            steps,
            lambda rung: max(max(part_bytes(order, rung) for order in orders), sound.SOUND_BYTES),
            means,
            _disk_bytes(params, used, look),
            max(lengths),
        )

    async def do(self, step: Step, params: ClipParams, shop: Workshop) -> Json:
        """See `JobKind.do`."""
        if step.name == "cuts":
            return await _cuts(params, shop)
        if step.name == "join":
            return await _join(params, shop)
        piece = _pieces(params, shop)[step.args["place"]]
        async with shop.local(piece.source) as path:
            if step.name.startswith("sound-"):
                return await _sound(step, piece, path, shop)
            return await _part(step, params, piece, path, shop)

    def summary_of(self, params: ClipParams, results: Sequence[Json]) -> dict[str, Any]:
        """See `JobKind.summary_of`: `segments` are where they really begin and end."""
        cuts, last = results[0]["parts"], results[-1]
        return {
            **last,
            "accuracy": params.accuracy,
            "segments": [
                {
                    "start": start,
                    "end": end,
                    "frames": frames,
                    **({} if segment.input is None else {"input": segment.input}),
                }
                for segment, (start, end, frames, *_) in zip(params.segments, cuts, strict=True)
            ],
        }


def _order(source: Source, path: Path, span: Span, rate: float | None, look: Look) -> PartOrder:
    grid = None if rate is None else Grid(rate, span.start)
    return PartOrder(path, source.item.content_type, source.video, source.duration_seconds, span, grid, look)


def _disk_bytes(params: ClipParams, used: Sequence[Source], look: Look) -> int:
    total = MIB
    for segment, source in zip(params.segments, used, strict=True):
        seconds = segment.end - segment.start
        copied = source.item.size_bytes * min(1.0, (seconds + 10) / max(source.duration_seconds, 0.1))
        pictures = video_bytes(look, seconds, source.video.frame_rate)
        total += 2 * int(copied if params.accuracy == "keyframe" else pictures) + int(seconds * 192_000)
    return total + 16 * MIB


def _most_bytes(params: ClipParams, used: Sequence[Source], look: Look, frames: int) -> int:
    """Return what the joined file may have; what is copied is in each source once, and used as often as it is named."""
    copied = sum(source.item.size_bytes for source in used) if params.accuracy == "keyframe" else 0
    return most_video_bytes(look, frames) + copied + _disk_bytes(params, used, look)


async def _cuts(params: ClipParams, shop: Workshop) -> Json:
    """Return where each segment begins and ends, its frames, and its packets where it is copied."""
    listed: dict[str, PacketTimes] = {}
    rate = _rate(params, shop.sources)
    parts = []
    for segment in params.segments:
        source = source_of(segment, shop.sources)
        if source.item.id not in listed:
            listed.clear()  # one list at a time: each may have millions of frames
            async with shop.local(source) as path:
                listed[source.item.id] = await list_frames(shop, source, path)
        times = listed[source.item.id]
        end = end_of(times.times, source.duration_seconds)
        span = span_of(times.times, segment.start, segment.end)
        if params.accuracy == "keyframe":
            if times.hidden:  # ffmpeg does not find its key frames: it copies from the one before on
                raise InvalidParameter(f"accuracy: {source.item.id} was trimmed without being encoded; use exact.")
            span = keyframe_span(times.times, times.keyframes, span, end)
        if not span.frames:
            raise InvalidParameter(f"segments: there is no frame from {segment.start:g} to {segment.end:g} s.")
        ends = min(span.end, end if rate is None else span.start + segment.end - segment.start)
        packets = times.packets_between(span.start, span.end) if params.accuracy == "keyframe" else 0
        parts.append([round(span.start, 6), round(ends, 6), span.frames, packets])
    return {"parts": parts}


def _rate(params: ClipParams, sources: Sequence[Source]) -> float | None:
    if params.accuracy == "keyframe":
        return None
    return common_rate([source_of(segment, sources) for segment in params.segments])


def _pieces(params: ClipParams, shop: Workshop) -> list[_Piece]:
    pieces, at = [], 0.0
    used = [source_of(segment, shop.sources) for segment in params.segments]
    rate = _rate(params, shop.sources)
    for source, (start, end, frames, _) in zip(used, shop.results["cuts"]["parts"], strict=True):
        span = Span(start, end, frames)
        seconds = span.seconds if rate is None else Grid(rate, start).frames(span) / rate
        pieces.append(_Piece(source, span, at, at + seconds))
        at += seconds
    return pieces


async def _part(step: Step, params: ClipParams, piece: _Piece, path: Path, shop: Workshop) -> Json:
    used = [source_of(segment, shop.sources) for segment in params.segments]
    look = look_of(shop.sources, used, shop.ffmpeg.abilities)
    target = shop.file(f"{step.name}.mp4")
    if params.accuracy == "keyframe":
        packets = shop.results["cuts"]["parts"][step.args["place"]][3]
        size = int(piece.source.item.size_bytes * 1.1) + 16 * MIB
        order = _order(piece.source, path, piece.span, None, look)
        report = await shop.ffmpeg.run(copied_part(order, packets, target, size), shop.progress)
        return {"frames": report.frames, "seconds": piece.span.seconds}
    order = _order(piece.source, path, piece.span, _rate(params, shop.sources), look)
    first = None if step.args["place"] == 0 else shop.results["part-0001"]
    return await encode_part(order, target, shop, first)


async def _sound(step: Step, piece: _Piece, path: Path, shop: Workshop) -> Json:
    """Take out the sound that goes with a segment: so many samples that none is lost or added up to its end."""
    voice = _voice(shop.sources)
    samples = round(piece.ends * voice.sample_rate) - round(piece.begins * voice.sample_rate)
    source = None if piece.source.audio is None else (path, piece.source.item.content_type)
    work = sound.piece_work(source, piece.span.start, samples, voice, shop.file(f"{step.name}.wav"))
    await shop.ffmpeg.run(sound.in_file_of(work, piece.source.duration_seconds), shop.progress)
    return {"samples": samples}


def _voice(sources: Sequence[Source]) -> sound.Voice:
    return sound.Voice.of(next((source.audio for source in sources if source.audio is not None), None))


async def _join(params: ClipParams, shop: Workshop) -> Json:
    count, pieces = len(params.segments), _pieces(params, shop)
    done = [shop.results[f"part-{place + 1:04}"] for place in range(count)]
    used = [piece.source for piece in pieces]
    look = look_of(shop.sources, used, shop.ffmpeg.abilities)
    joined = Joined(
        parts=[(shop.file(f"part-{place + 1:04}.mp4"), done[place]["seconds"]) for place in range(count)],
        frames=sum(result["frames"] for result in done),
        size_bytes=_most_bytes(params, used, look, sum(result["frames"] for result in done)),
    )
    target = shop.file("joined.mp4")
    work = join_work(joined, _track(pieces, joined, shop), shop.file("parts.txt"), target, "mp4")
    await shop.ffmpeg.run(work, shop.progress)
    found = await check_file(target, "video/mp4", Expectation(joined.frames, seconds=joined.seconds), shop)
    await shop.keep(target, result_name(shop.sources[0], "mp4"), "video/mp4")
    return found


def _track(pieces: Sequence[_Piece], joined: Joined, shop: Workshop) -> SoundTrack | None:
    if not has_sound(shop.sources):
        return None
    voice, listing = _voice(shop.sources), shop.file("sounds.txt")
    files = [
        (
            shop.file(f"sound-{place + 1:04}.wav"),
            shop.results[f"sound-{place + 1:04}"]["samples"] / voice.sample_rate,
        )
        for place in range(len(pieces))
    ]
    options = sound.encoder_options("aac", voice.channels)
    return SoundTrack(listing, list_input(listing, "wav"), options, joined.seconds, list_text(files))
