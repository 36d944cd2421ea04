"""`transcode`: a video in another codec, container, size or rate; long ones in chunks, so that a crash costs one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from app.domain.units import MIB
from app.errors import InvalidParameter
from app.ffmpeg import sound
from app.ffmpeg.abilities import Abilities
from app.ffmpeg.containers import PICTURES, SOUNDS
from app.ffmpeg.cutting import Grid, Span, chunk_count, chunks, end_of
from app.ffmpeg.joining import Joined, MediaSize, SoundTrack, copy_work, join_work
from app.ffmpeg.parts import Look, PartOrder, check_size, fit, most_video_bytes, part_bytes, slack, video_bytes
from app.ffmpeg.probe import DEMUXERS
from app.ffmpeg.profiles import Profile
from app.ffmpeg.runner import guarded_input
from app.ffmpeg.works import Expectation, Work
from app.jobs.frames.frame_list import list_frames
from app.jobs.kind import JobKind
from app.jobs.outputs.alike import make_alike
from app.jobs.outputs.encoding import check_file, encode_part, encoder_for, part_before, planned, result_name
from app.jobs.params import JobParams
from app.jobs.plan import Json, Plan, Step
from app.jobs.source import Source
from app.jobs.workshop import Means, Workshop

_USUAL = {"mp4": ("h264", "aac"), "webm": ("vp9", "opus")}


class TranscodeParams(JobParams):
    container: Literal["mp4", "webm"] = Field("mp4", description="The format of the file.")
    video_codec: Literal["h264", "hevc", "vp9", "av1", "copy"] | None = Field(
        None, description="Unset: h264 in mp4, vp9 in webm. copy: the pictures as they are."
    )
    audio_codec: Literal["aac", "opus", "copy", "none"] | None = Field(
        None, description="Unset: aac in mp4, opus in webm."
    )
    max_height: int | None = Field(None, ge=16, le=8192, description="Higher pictures are made no higher than this.")
    quality: int = Field(66, ge=1, le=100, description="Of the pictures; 66 is hardly told from the source.")
    frame_rate: float | None = Field(None, ge=1, le=240, description="Frames a second; unset: each at its own time.")
    chunked: bool | Literal["auto"] = Field("auto", description="auto: in chunks of 10 seconds or more.")

    @property
    def picture_codec(self) -> str:
        return self.video_codec or _USUAL[self.container][0]

    @property
    def sound_codec(self) -> str:
        return self.audio_codec or _USUAL[self.container][1]

    @property
    def content_type(self) -> str:
        return f"video/{self.container}"


class Transcode(JobKind[TranscodeParams]):
    name = "transcode"
    summary = "A video in another codec, container, size or frame rate."
    params = TranscodeParams

    def plan(self, sources: Sequence[Source], params: TranscodeParams, means: Means) -> Plan:
        """See `JobKind.plan`. Chunks are counted here; where they begin is found by `cuts`, at key frames."""
        source = sources[0]
        seconds = source.duration_seconds
        _check_codecs(params, source, means)
        if params.picture_codec == "copy":
            work = _copying(params, source, Path("/"), Path("/"), 0)
            steps = [Step("copy", "copying the pictures", seconds / 50 + 0.1)]
            return replace(planned(steps, lambda _: work.cost_bytes, means, work.file_bytes), profile=None, ways=())
        look = _look(params, source, means.abilities)
        count = chunk_count(seconds, None if params.chunked == "auto" else params.chunked)
        steps = [Step("cuts", "finding the key frames", seconds / 100 + 0.1)]
        steps += [
            Step(f"part-{place + 1:04}", f"encoding part {place + 1} of {count}", seconds / count, {"place": place})
            for place in range(count)
        ]
        if look.encoder.is_uniform and count > 1:
            steps.append(Step("alike", "making the parts alike", 0.1))
        if _encodes_sound(params, source):
            steps.append(Step("sound", "encoding the sound", seconds / 50 + 0.1))
        steps.append(Step("join", "joining the parts", seconds / 100 + 0.1))
        whole = _order(params, source, Path("/"), Span(0, seconds, 1), look)
        disk_bytes = 2 * _file_bytes(params, source, look)
        return planned(steps, lambda rung: part_bytes(whole, rung), means, disk_bytes, seconds / count)

    async def do(self, step: Step, params: TranscodeParams, shop: Workshop) -> Json:
        """See `JobKind.do`."""
        source = shop.sources[0]
        async with shop.local(source) as path:
            if step.name == "copy":
                return await _copy(params, source, path, shop)
            if step.name == "cuts":
                return await _cuts(params, source, path, shop)
            if step.name == "alike":
                return await _alike(params, source, path, shop)
            if step.name == "sound":
                return await _sound(params, source, path, shop)
            if step.name == "join":
                return await _join(params, source, path, shop)
            return await _part(step, params, source, path, shop)

    def summary_of(self, params: TranscodeParams, results: Sequence[Json]) -> dict[str, Any]:
        """See `JobKind.summary_of`."""
        return {"container": params.container, **results[-1]}


def _check_codecs(params: TranscodeParams, source: Source, means: Means) -> None:
    pictures = (source.video.codec or "unknown") if params.picture_codec == "copy" else params.picture_codec
    if pictures not in PICTURES[params.container]:
        raise InvalidParameter(
            f"videoCodec: {params.container} takes {', '.join(PICTURES[params.container])}; not {pictures}."
        )
    unfit = [name for name, value in (("maxHeight", params.max_height), ("frameRate", params.frame_rate)) if value]
    if params.picture_codec == "copy" and unfit:
        raise InvalidParameter(f"videoCodec: with copy, pictures stay as they are; {' and '.join(unfit)} cannot be.")
    if source.audio is None or params.sound_codec == "none":
        return
    sounds = (source.audio.codec or "unknown") if params.sound_codec == "copy" else params.sound_codec
    if sounds not in SOUNDS[params.container]:
        raise InvalidParameter(
            f"audioCodec: {params.container} takes {', '.join(SOUNDS[params.container])}; not {sounds}."
        )
    if params.sound_codec != "copy" and not sound.can_encode(sounds, means.abilities):
        there = [codec for codec in sound.CODECS if sound.can_encode(codec, means.abilities)]
        raise InvalidParameter(f"audioCodec: this machine's ffmpeg cannot encode {sounds}.", available=there)


def _look(params: TranscodeParams, source: Source, abilities: Abilities) -> Look:
    width, height = fit(source.video.width, source.video.height, params.max_height)
    encoder = encoder_for(params.picture_codec, abilities)
    check_size(width, height, encoder.least_side, f"encoders of {encoder.codec}")
    return Look(encoder, width, height, params.quality)


def _encodes_sound(params: TranscodeParams, source: Source) -> bool:
    return source.audio is not None and params.sound_codec not in ("copy", "none")


def _sound_bytes(params: TranscodeParams, source: Source) -> int:
    if source.audio is None or params.sound_codec == "copy":
        return 0 if source.audio is None else source.item.size_bytes
    return sound.encoded_bytes(source.duration_seconds, source.audio.channels or 2)


def _file_bytes(params: TranscodeParams, source: Source, look: Look) -> int:
    rate = params.frame_rate or source.video.frame_rate
    return video_bytes(look, source.duration_seconds, rate) + _sound_bytes(params, source)


def _order(params: TranscodeParams, source: Source, path: Path, span: Span, look: Look) -> PartOrder:
    grid = None if params.frame_rate is None else Grid.of(span, params.frame_rate)
    return PartOrder(path, source.item.content_type, source.video, source.duration_seconds, span, grid, look)


async def _cuts(params: TranscodeParams, source: Source, path: Path, shop: Workshop) -> Json:
    """Return where each part begins and how many frames it has: `[start, end, frames]` in order."""
    listed = await list_frames(shop, source, path)
    end = end_of(listed.times, source.duration_seconds)
    count = chunk_count(source.duration_seconds, None if params.chunked == "auto" else params.chunked)
    return {"parts": [[s.start, s.end, s.frames] for s in chunks(listed.times, listed.keyframes, end, count)]}


async def _part(step: Step, params: TranscodeParams, source: Source, path: Path, shop: Workshop) -> Json:
    place = int(step.args["place"])
    if place >= len(shop.results["cuts"]["parts"]):  # there were not so many key frames
        return {"frames": 0}
    order = _part_order(place, params, source, path, shop)
    before = part_before([result for _, result in _done(shop)], order.look.encoder)
    return await encode_part(order, shop.file(f"{step.name}.mp4"), shop, before)


def _part_order(place: int, params: TranscodeParams, source: Source, path: Path, shop: Workshop) -> PartOrder:
    span = Span(*shop.results["cuts"]["parts"][place])
    return _order(params, source, path, span, _look_again(params, source, shop))


def _done(shop: Workshop) -> list[tuple[str, Json]]:
    """Return the parts that there are, in order: name and result."""
    return sorted((name, one) for name, one in shop.results.items() if name.startswith("part-") and one["frames"])


async def _alike(params: TranscodeParams, source: Source, path: Path, shop: Workshop) -> Json:
    done = _done(shop)

    async def again(place: int, profile: Profile, target: Path) -> Profile:
        before = {**done[place][1], "profile": profile.name}
        told = await encode_part(_part_order(place, params, source, path, shop), target, shop, before)
        return Profile[told["profile"]]

    parts = [(shop.file(f"{name}.mp4"), Profile[result["profile"]]) for name, result in done]
    return {"profiles": sorted({profile.name for profile in await make_alike(parts, again, shop)})}


def _look_again(params: TranscodeParams, source: Source, shop: Workshop) -> Look:
    return _look(params, source, shop.ffmpeg.abilities)


async def _sound(params: TranscodeParams, source: Source, path: Path, shop: Workshop) -> Json:
    assert source.audio is not None
    target, seconds = shop.file("sound"), source.duration_seconds
    work = sound.sound_work(path, source.item.content_type, target, params.sound_codec, source.audio, seconds)
    report = await shop.ffmpeg.run(work, shop.progress)
    return {"seconds": report.seconds}


async def _join(params: TranscodeParams, source: Source, path: Path, shop: Workshop) -> Json:
    done, look = _done(shop), _look_again(params, source, shop)
    joined = Joined(
        parts=[(shop.file(f"{name}.mp4"), result["seconds"]) for name, result in done],
        frames=sum(result["frames"] for _, result in done),
        size_bytes=most_video_bytes(look, sum(result["frames"] for _, result in done)) + _sound_bytes(params, source),
        delay=done[0][1]["start"],
    )
    target = shop.file(f"joined.{params.container}")
    track = _track(params, source, path, shop)
    work = join_work(joined, track, shop.file("parts.txt"), target, params.container)
    await shop.ffmpeg.run(work, shop.progress)
    found = await check_file(target, params.content_type, Expectation(joined.frames, seconds=joined.seconds), shop)
    await shop.keep(target, result_name(source, params.container), params.content_type)
    alike = shop.results.get("alike", {"profiles": sorted({result["profile"] for _, result in done})})
    return {**found, "chunks": len(done), **alike}


def _track(params: TranscodeParams, source: Source, path: Path, shop: Workshop) -> SoundTrack | None:
    if source.audio is None or params.sound_codec == "none":
        return None
    if params.sound_codec == "copy":
        inputs = guarded_input(path, DEMUXERS[source.item.content_type])
        return SoundTrack(path, inputs, ("-c:a", "copy"), seconds=source.duration_seconds)
    own = shop.file("sound")
    demuxer = "mov" if params.sound_codec == "aac" else "matroska"
    return SoundTrack(own, guarded_input(own, demuxer), ("-c:a", "copy"), seconds=source.duration_seconds)


def _copying(params: TranscodeParams, source: Source, path: Path, target: Path, frames: int) -> Work:
    voice = ["-an"]
    if source.audio is not None and params.sound_codec != "none":
        options = (
            ["-c:a", "copy"]
            if params.sound_codec == "copy"
            else sound.encoder_options(params.sound_codec, source.audio.channels or 2)
        )
        voice = ["-map", "0:a:0", *options]
    return copy_work(
        (path, source.item.content_type),
        target,
        params.container,
        voice,
        Expectation(frames=frames, frames_slack=slack(source.video, frames) + 2),
        MediaSize(source.duration_seconds, source.item.size_bytes * 11 // 10 + _sound_bytes(params, source) + MIB),
    )


async def _copy(params: TranscodeParams, source: Source, path: Path, shop: Workshop) -> Json:
    listed = await list_frames(shop, source, path)
    target = shop.file(f"copied.{params.container}")
    work = _copying(params, source, path, target, len(listed.times) + listed.hidden)
    await shop.ffmpeg.run(work, shop.progress)
    slack = work.expect.frames_slack + (listed.hidden if params.container == "webm" else 0)  # it has no edit lists
    expect = Expectation(frames=len(listed.times), frames_slack=slack)
    found = await check_file(target, params.content_type, expect, shop)
    await shop.keep(target, result_name(source, params.container), params.content_type)
    return found
