"""`anonymize`: faces in a video, followed and made unrecognisable; all else stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from app.domain.units import KIB
from app.errors import UnsupportedMedia
from app.ffmpeg import sound
from app.ffmpeg.abilities import Abilities
from app.ffmpeg.containers import SOUNDS
from app.ffmpeg.covering import Cover, covered_work, covering_bytes
from app.ffmpeg.cutting import Span, chunk_count, chunks, end_of
from app.ffmpeg.joining import Joined, SoundTrack, join_work
from app.ffmpeg.parts import Look, PartOrder, check_size, fit, most_video_bytes, part_bytes, video_bytes
from app.ffmpeg.probe import DEMUXERS
from app.ffmpeg.profiles import Rung
from app.ffmpeg.runner import guarded_input
from app.ffmpeg.works import Expectation
from app.jobs.frames.coverage import HELD_SECONDS, covered
from app.jobs.frames.frame_list import list_frames
from app.jobs.frames.heads_file import Search, find_heads, likely_rate, rate_of, read_heads, search_for, tick_count
from app.jobs.frames.mask_file import mask_part
from app.jobs.frames.task_params import face_search
from app.jobs.kind import JobKind, TaskLook
from app.jobs.outputs.encoding import check_file, encode_part, encoder_for, planned, result_name
from app.jobs.params import JobParams
from app.jobs.plan import Json, Plan, Step
from app.jobs.source import Source
from app.jobs.workshop import Means, Workshop
from app.vision.tally import total

_LINE_BYTES = 128
_MASK_BYTES = 2 * KIB
_CONTENT_TYPE = "video/mp4"


class AnonymizeParams(JobParams):
    style: Literal["blur", "pixelate", "solid", "oval"] = Field("blur", description="As `anonymizeStyle` of images.")
    quality: int = Field(75, ge=1, le=100, description="Of the pictures.")


class Anonymize(JobKind[AnonymizeParams]):
    name = "anonymize"
    summary = "faces in a video, followed and made unrecognisable"
    params = AnonymizeParams

    def looks(self, params: AnonymizeParams, means: Means) -> Sequence[TaskLook]:  # noqa: ARG002
        return (face_search(),)

    def plan(self, sources: Sequence[Source], params: AnonymizeParams, means: Means) -> Plan:
        """See `JobKind.plan`. A part is drawn when the one after it has been looked at: a head is covered before it is
        first seen."""
        source = sources[0]
        if source.is_picture:
            raise UnsupportedMedia("input: anonymize takes a video; a picture is made so with anonymize=faces.")
        seconds, count = source.duration_seconds, chunk_count(source.duration_seconds, None)
        look = _look(params, source, means.abilities)
        search, search_bytes = search_for(source, means.limit_bytes)
        steps = [Step("cuts", "finding the key frames", seconds / 100 + 0.1)]
        for place in range(count + 1):
            if place < count:
                step = _step("look", "looking for faces in", place, count, 2 * seconds)
                steps.append(replace(step, args={**step.args, "search": asdict(search)}))
            steps += [_step("draw", "covering them in", place - 1, count, seconds)] if place else []
        if _encodes_sound(source):
            steps.append(Step("sound", "encoding the sound", seconds / 50 + 0.1))
        steps.append(Step("join", "joining the parts", seconds / 100 + 0.1))
        whole = _order(source, Path("/"), Span(0, seconds, 1), look)
        ticks = int(seconds * likely_rate(source))
        disk_bytes = 2 * _file_bytes(source, look) + ticks * (_LINE_BYTES + 3 * _MASK_BYTES // count)
        cost = partial(_drawing_bytes, whole)
        return planned(steps, cost, means, disk_bytes, seconds / count, search_bytes)

    async def do(self, step: Step, params: AnonymizeParams, shop: Workshop) -> Json:
        """See `JobKind.do`."""
        source, kind = shop.sources[0], step.name.partition("-")[0]
        if kind == "look":
            place = step.args["place"]
            span = _span(shop, place)
            if span is None:
                return {"frames": 0}
            search = Search(**step.args.get("search", {}))
            return await find_heads(shop, span, _rate(shop), search, _heads(shop, place))
        async with shop.local(source) as path:
            if kind == "cuts":
                return await _cuts(source, path, shop)
            if kind == "sound":
                return await _sound(source, path, shop)
            if kind == "join":
                return await _join(params, source, path, shop)
            return await _draw(step, params, source, path, shop)

    def summary_of(self, params: AnonymizeParams, results: Sequence[Json]) -> dict[str, Any]:
        """The finished video, and in how many frames faces were seen, and covered."""
        seen = total(one for one in results if "framesWithDetections" in one)
        drawn = [one for one in results if "covered" in one]
        return {
            "style": params.style,
            **results[-1],
            "framesWithFaces": seen.frames_with_detections,
            "mostFacesInAFrame": seen.most_in_a_frame,
            "framesCovered": sum(one["covered"] for one in drawn),
        }


def _step(name: str, words: str, place: int, count: int, seconds: float) -> Step:
    number = place + 1
    return Step(f"{name}-{number:04}", f"{words} part {number} of {count}", seconds / count, {"place": place})


def _look(params: AnonymizeParams, source: Source, abilities: Abilities) -> Look:
    width, height = fit(source.video.width, source.video.height, None)
    check_size(width, height)
    return Look(encoder_for("h264", abilities), width, height, params.quality)


def _order(source: Source, path: Path, span: Span, look: Look) -> PartOrder:
    return PartOrder(path, source.item.content_type, source.video, source.duration_seconds, span, None, look)


def _drawing_bytes(whole: PartOrder, rung: Rung) -> int:
    return part_bytes(whole, rung) + covering_bytes(whole, rung)


def _encodes_sound(source: Source) -> bool:
    return source.audio is not None and source.audio.codec not in SOUNDS["mp4"]


def _sound_bytes(source: Source) -> int:
    audio = source.audio
    voice = 0 if audio is None else sound.encoded_bytes(source.duration_seconds, audio.channels or 2)
    return voice + (0 if audio is None or _encodes_sound(source) else source.item.size_bytes)


def _file_bytes(source: Source, look: Look) -> int:
    return video_bytes(look, source.duration_seconds, source.video.frame_rate) + _sound_bytes(source)


def _heads(shop: Workshop, place: int) -> Path:
    return shop.file(f"heads-{place + 1:04}.ndjson")


def _part(shop: Workshop, place: int) -> Path:
    return shop.file(f"draw-{place + 1:04}.mp4")


def _span(shop: Workshop, place: int) -> Span | None:
    """Return the part of this number; None: there is none, the video had not so many key frames."""
    parts = shop.results["cuts"]["parts"]
    return Span(*parts[place]) if 0 <= place < len(parts) else None


async def _cuts(source: Source, path: Path, shop: Workshop) -> Json:
    listed = await list_frames(shop, source, path)
    end = end_of(listed.times, source.duration_seconds)
    spans = chunks(listed.times, listed.keyframes, end, chunk_count(source.duration_seconds, None))
    parts = [[span.start, span.end, span.frames] for span in spans]
    return {"parts": parts, "rate": round(rate_of(source, listed.times), 6)}


async def _draw(step: Step, params: AnonymizeParams, source: Source, path: Path, shop: Workshop) -> Json:
    place = step.args["place"]
    span = _span(shop, place)
    if span is None:
        return {"frames": 0}
    frames, held = await _around(shop, place), round(HELD_SECONDS * _rate(shop))
    regions = covered(frames, held)
    before = _ticks(shop, place - 1)
    own = regions[before : before + _ticks(shop, place)]
    order = _order(source, path, span, _look(params, source, shop.ffmpeg.abilities))
    first = None if place == 0 else shop.results["draw-0001"]
    async with mask_part(shop, own, params.style, shop.file(f"{step.name}.mask")) as mask:
        cover = Cover(mask.path, _rate(shop), params.style, mask.cell)
        done = await encode_part(order, _part(shop, place), shop, first, partial(covered_work, cover))
    return {**done, "covered": sum(bool(one) for one in own)}


async def _around(shop: Workshop, place: int) -> list[list[Any]]:
    """Return the heads in a part, and in those before and after it."""
    frames: list[list[Any]] = []
    for one in (place - 1, place, place + 1):
        ticks = _ticks(shop, one)
        found = (await read_heads(shop, _heads(shop, one)))[:ticks] if ticks else []
        frames += found + [[] for _ in range(ticks - len(found))]
    return frames


def _ticks(shop: Workshop, place: int) -> int:
    span = _span(shop, place)
    return 0 if span is None else tick_count(span, _rate(shop))


def _rate(shop: Workshop) -> float:
    return float(shop.results["cuts"]["rate"])


async def _sound(source: Source, path: Path, shop: Workshop) -> Json:
    assert source.audio is not None
    work = sound.sound_work(
        path, source.item.content_type, shop.file("sound"), "aac", source.audio, source.duration_seconds
    )
    report = await shop.ffmpeg.run(work, shop.progress)
    return {"seconds": report.seconds}


async def _join(params: AnonymizeParams, source: Source, path: Path, shop: Workshop) -> Json:
    drawn: list[tuple[int, Mapping[str, Any]]] = [
        (int(name.partition("-")[2]) - 1, result)
        for name, result in sorted(shop.results.items())
        if name.startswith("draw-") and result["frames"]
    ]
    look = _look(params, source, shop.ffmpeg.abilities)
    joined = Joined(
        parts=[(_part(shop, place), result["seconds"]) for place, result in drawn],
        frames=sum(result["frames"] for _, result in drawn),
        size_bytes=most_video_bytes(look, sum(result["frames"] for _, result in drawn)) + _sound_bytes(source),
        delay=drawn[0][1]["start"],
    )
    target = shop.file("joined.mp4")
    work = join_work(joined, _track(source, path, shop), shop.file("parts.txt"), target, "mp4")
    await shop.ffmpeg.run(work, shop.progress)
    found = await check_file(target, _CONTENT_TYPE, Expectation(joined.frames, seconds=joined.seconds), shop)
    await shop.keep(target, result_name(source, "mp4"), _CONTENT_TYPE)
    return found


def _track(source: Source, path: Path, shop: Workshop) -> SoundTrack | None:
    if source.audio is None:
        return None
    own = shop.file("sound")
    if _encodes_sound(source):
        return SoundTrack(own, guarded_input(own, "mov"), ("-c:a", "copy"), seconds=source.duration_seconds)
    inputs = guarded_input(path, DEMUXERS[source.item.content_type])
    return SoundTrack(path, inputs, ("-c:a", "copy"), seconds=source.duration_seconds)
