"""`audio`: the sound of a video or an audio file in another format, as loud as wanted, and a picture of it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any, ClassVar, Literal

from pydantic import Field

from app.domain.units import MIB
from app.errors import InvalidMedia, InvalidParameter
from app.ffmpeg import loudness, waveform
from app.ffmpeg.audio_formats import AUDIO_FORMATS, AudioFormat, available_formats
from app.ffmpeg.probe import DEMUXERS, AudioStream
from app.ffmpeg.runner import guarded_input
from app.ffmpeg.works import Expectation, Report, Work
from app.jobs.kind import JobKind
from app.jobs.params import JobParams
from app.jobs.plan import Json, Plan, Step
from app.jobs.source import Source
from app.jobs.workshop import Means, Workshop

_BASE_BYTES = 66 * MIB
_CHANNEL_BYTES = 3 * MIB
"""Peak of decoding, metering, limiting and encoding sound, and what each channel beyond two adds (measured with FFmpeg
5.1: stereo 53 to 67 MB, eight channels at 96 kHz 54 to 81 MB; it does not depend on the length)."""

_SAMPLE_BYTES = 16
"""What a sample of each channel of a part of a waveform takes while it is one frame (measured: 12 to 13)."""

_SPEED = 30
"""How many times faster than real time sound is decoded and encoded, for the weights of steps."""

_TOLERANCE_LU = 0.5
_ROUNDS = 4
"""A limiter takes some of the loudness: the gain is corrected until the result is right, so many times at most."""

_SLACK_SECONDS = 0.25
"""Encoders begin with a frame or two of silence, and end with a whole frame; MP3 frames have 26 ms."""


class AudioParams(JobParams):
    format: Literal["aac", "opus", "mp3", "wav"] = Field("aac", description="AAC in MP4, Opus in Ogg, MP3 or WAV.")
    loudness: float | None = Field(
        None, ge=-40, le=-5, description="Integrated loudness in LUFS (EBU R128), such as -16; null: as it is."
    )
    waveform: bool = Field(False, description="Also the shape of the sound, as JSON and as PNG.")
    peaks: int = Field(1200, ge=16, le=20_000, description="Into how many parts the waveform is cut, at most.")


class Audio(JobKind[AudioParams]):
    name: ClassVar[str] = "audio"
    summary: ClassVar[str] = "The sound in another format, with its loudness normalised, and its waveform."
    params = AudioParams

    def plan(self, sources: Sequence[Source], params: AudioParams, means: Means) -> Plan:
        source = sources[0]
        audio = _sound(source)
        seconds = _seconds(source)
        there = available_formats(means.abilities)
        if params.format not in there:
            raise InvalidParameter(
                f"format: this machine's ffmpeg cannot write {params.format}, only {', '.join(there) or 'nothing'}.",
                available=there,
            )
        weight = max(1.0, seconds / _SPEED)
        steps = []
        if params.loudness is not None:
            steps.append(Step("loudness", "measuring the loudness", weight))
        steps.append(Step("sound", "encoding the sound", weight * (1 if params.loudness is None else 3)))
        if params.waveform:
            steps.append(Step("waveform", "drawing the waveform", weight))
        chosen = AUDIO_FORMATS[params.format]
        parts = _parts(audio, seconds, params)
        meter_bytes = int(seconds * loudness.BYTES_A_SECOND) if params.loudness is not None else 0
        disk_bytes = (
            2 * chosen.file_bytes(seconds, audio.sample_rate, audio.channels)
            + meter_bytes
            + params.peaks * waveform.BYTES_A_PEAK
            + MIB
        )
        predicted = max(_cost(audio), _gauge_cost(audio, parts) if params.waveform else 0)
        return Plan(steps, predicted, disk_bytes)

    async def do(self, step: Step, params: AudioParams, shop: Workshop) -> Json:
        if step.name == "loudness":
            async with shop.local(shop.sources[0]) as path:
                measured = await _measure(shop, path, shop.sources[0].item.content_type, _seconds(shop.sources[0]))
            return {"integratedLufs": measured.integrated_lufs, "truePeakDbtp": measured.true_peak_dbtp}
        if step.name == "sound":
            return await _encode(params, shop)
        return await _draw(params, shop)

    def summary_of(self, params: AudioParams, results: Sequence[Json]) -> dict[str, Any]:
        found: dict[str, Any] = {"format": params.format}
        if params.loudness is not None:
            before, *results = results
            found["loudness"] = {"targetLufs": params.loudness, "input": before, "output": results[0]["loudness"]}
        found["durationSeconds"] = results[0]["seconds"]
        if params.waveform:
            found["waveform"] = dict(results[1])
        return found


def _sound(source: Source) -> AudioStream:
    """Return the audio of a source.

    Raises:
        InvalidParameter: it has none.
    """
    if source.is_picture or source.audio is None:
        raise InvalidParameter(f"input: {source.item.id} has no audio.")
    return source.audio


def _seconds(source: Source) -> float:
    audio = source.audio
    return audio.duration_seconds if audio is not None and audio.duration_seconds else source.duration_seconds


def _expected(source: Source) -> Expectation:
    """Return how long the sound must be, where the file says so for certain.

    Where the audio has no duration of its own, the file's may be that of a longer video; in MP3 and raw AAC it is a
    guess by the bit rate.
    """
    audio = source.audio
    if audio is None or audio.duration_seconds is None or DEMUXERS[source.item.content_type] in ("mp3", "aac"):
        return Expectation()
    return Expectation(seconds=audio.duration_seconds, seconds_slack=_SLACK_SECONDS + audio.duration_seconds * 0.002)


def _parts(audio: AudioStream, seconds: float, params: AudioParams) -> waveform.Parts:
    return waveform.Parts.of(seconds, audio.sample_rate or 48_000, params.peaks)


def _cost(audio: AudioStream) -> int:
    return _BASE_BYTES + _CHANNEL_BYTES * max(0, (audio.channels or 2) - 2)


def _gauge_cost(audio: AudioStream, parts: waveform.Parts) -> int:
    return _cost(audio) + parts.frame_samples * (audio.channels or 2) * _SAMPLE_BYTES


async def _measure(shop: Workshop, path: Path, content_type: str, seconds: float) -> loudness.Loudness:
    """Measure the loudness of a file, ours or the client's."""
    target = shop.file("loudness.txt")
    work = Work(
        arguments=[
            *("-threads", "1", *guarded_input(path, DEMUXERS[content_type])),
            *("-map", "0:a:0", "-vn", "-sn", "-dn", "-af", loudness.meter(target), "-f", "null", "-"),
        ],
        cost_bytes=_cost(_sound(shop.sources[0])),
        threads=1,
        reads=(path,),
        writes=(target,),
        file_bytes=int((seconds * 1.5 + 60) * loudness.BYTES_A_SECOND),
        seconds=seconds,
    )
    try:
        await shop.ffmpeg.run(work, shop.progress)
        return loudness.read_meter(await asyncio.to_thread(_tail, target))
    finally:
        await asyncio.to_thread(target.unlink, missing_ok=True)


async def _encode(params: AudioParams, shop: Workshop) -> Json:
    """Write the sound; with a loudness, as often as it takes to be as loud as wanted."""
    source, chosen = shop.sources[0], AUDIO_FORMATS[params.format]
    target = _target(shop, chosen)
    async with shop.local(source) as path:
        if params.loudness is None:
            report, told = await shop.ffmpeg.run(_encoding(source, path, chosen, target, None), shop.progress), None
        else:
            report, told = await _normalise(params.loudness, chosen, shop, path)
    seconds = (await shop.ffmpeg.probe(target, chosen.content_type)).duration_seconds
    if not seconds:
        raise InvalidMedia("The sound came out empty.")
    name = PurePath(source.item.name).stem + chosen.extension
    await shop.keep(target, name, chosen.content_type)
    return {"seconds": seconds, "loudness": told, "peakBytes": report.peak_bytes}


def _target(shop: Workshop, chosen: AudioFormat) -> Path:
    return shop.file(f"sound{chosen.extension}")


async def _normalise(wanted_lufs: float, chosen: AudioFormat, shop: Workshop, path: Path) -> tuple[Report, Json]:
    source, target = shop.sources[0], _target(shop, chosen)
    before = shop.results["loudness"]
    measured = loudness.Loudness(before["integratedLufs"], before["truePeakDbtp"])
    gain_db = 0.0 if measured.integrated_lufs is None else wanted_lufs - measured.integrated_lufs
    for attempt in range(1, _ROUNDS + 1):
        filters = loudness.gain(gain_db, measured)
        report = await shop.ffmpeg.run(_encoding(source, path, chosen, target, filters), shop.progress)
        after = await _measure(shop, target, chosen.content_type, _seconds(source))
        if measured.integrated_lufs is None or after.integrated_lufs is None:
            break
        missing_db = wanted_lufs - after.integrated_lufs
        if abs(missing_db) <= _TOLERANCE_LU:
            break
        gain_db += missing_db
    told = {"integratedLufs": after.integrated_lufs, "truePeakDbtp": after.true_peak_dbtp, "rounds": attempt}
    return report, told


def _encoding(source: Source, path: Path, chosen: AudioFormat, target: Path, filters: str | None) -> Work:
    audio = _sound(source)
    seconds = _seconds(source)
    return Work(
        arguments=[
            *("-threads", "1", *guarded_input(path, DEMUXERS[source.item.content_type])),
            *("-map", "0:a:0", "-vn", "-sn", "-dn", *(() if filters is None else ("-af", filters))),
            *chosen.arguments(audio.sample_rate, audio.channels),
            f"file:{target.absolute()}",
        ],
        cost_bytes=_cost(audio),
        threads=2,
        reads=(path,),
        writes=(target,),
        file_bytes=chosen.file_bytes(seconds, audio.sample_rate, audio.channels),
        seconds=seconds,
        expect=_expected(source),
    )


async def _draw(params: AudioParams, shop: Workshop) -> Json:
    source = shop.sources[0]
    audio, seconds = _sound(source), _seconds(source)
    parts = _parts(audio, seconds, params)
    target = shop.file("waveform.txt")
    async with shop.local(source) as path:
        work = Work(
            arguments=[
                *("-threads", "1", *guarded_input(path, DEMUXERS[source.item.content_type])),
                *("-map", "0:a:0", "-vn", "-sn", "-dn", "-af", waveform.gauge(parts, target), "-f", "null", "-"),
            ],
            cost_bytes=_gauge_cost(audio, parts),
            threads=1,
            reads=(path,),
            writes=(target,),
            file_bytes=2 * (params.peaks * parts.frames + 1000) * waveform.BYTES_A_PEAK,
            seconds=seconds,
            expect=_expected(source),
        )
        report = await shop.ffmpeg.run(work, shop.progress)
    found = await asyncio.to_thread(_written, target.parent, parts, audio.sample_rate or 48_000)
    stem = PurePath(source.item.name).stem
    await shop.keep(shop.file("waveform.json"), f"{stem}-waveform.json", "application/json")
    await shop.keep(shop.file("waveform.png"), f"{stem}-waveform.png", "image/png")
    return {"peaks": len(found.peaks), "samplesPerPeak": found.samples_per_peak, "peakBytes": report.peak_bytes}


def _written(folder: Path, parts: waveform.Parts, sample_rate: int) -> waveform.Waveform:
    """Write the waveform as JSON and PNG; runs in a thread (20 ms for 1200 peaks)."""
    found = waveform.read_gauge((folder / "waveform.txt").read_text(), parts, sample_rate)
    (folder / "waveform.txt").unlink()
    (folder / "waveform.json").write_text(json.dumps(found.document(), separators=(",", ":")))
    (folder / "waveform.png").write_bytes(found.png())
    return found


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - loudness.READ_BYTES))
        return file.read().decode("ascii", "replace")
