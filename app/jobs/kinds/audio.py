"""`audio`: the sound of a video or an audio file in another format, as loud as wanted, and a picture of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any, ClassVar, Literal

from pydantic import Field

from app.domain.units import MIB
from app.errors import InvalidMedia, InvalidParameter
from app.ffmpeg import loudness, waveform
from app.ffmpeg.audio_formats import AUDIO_FORMATS, available_formats
from app.ffmpeg.probe import DEMUXERS, AudioStream
from app.ffmpeg.runner import guarded_input
from app.ffmpeg.running import MARGIN
from app.ffmpeg.works import Work
from app.jobs.kind import JobKind
from app.jobs.outputs.sound_making import (
    FROM_FIRST_SAMPLE,
    encoding_work,
    expected_of,
    measure,
    normalise,
    sound_cost,
    sound_file,
    sound_of,
    sound_seconds,
)
from app.jobs.params import JobParams
from app.jobs.plan import Json, Plan, Step
from app.jobs.source import Source
from app.jobs.workshop import Means, Workshop

_SAMPLE_BYTES = 16
"""What a sample of each channel of a part of a waveform takes while it is one frame (measured: 12 to 13)."""

_SPEED = 30
"""How many times faster than real time sound is decoded and encoded, for the weights of steps."""


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
        audio = sound_of(source)
        seconds = sound_seconds(source)
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
        predicted = max(sound_cost(audio), _gauge_cost(audio, parts) if params.waveform else 0)
        return Plan(steps, int(predicted * MARGIN), disk_bytes)

    async def do(self, step: Step, params: AudioParams, shop: Workshop) -> Json:
        if step.name == "loudness":
            async with shop.local(shop.sources[0]) as path:
                measured = await measure(shop, path, shop.sources[0].item.content_type, sound_seconds(shop.sources[0]))
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


def _parts(audio: AudioStream, seconds: float, params: AudioParams) -> waveform.Parts:
    return waveform.Parts.of(seconds, audio.sample_rate or 48_000, params.peaks)


def _gauge_cost(audio: AudioStream, parts: waveform.Parts) -> int:
    return sound_cost(audio) + parts.frame_samples * (audio.channels or 2) * _SAMPLE_BYTES


async def _encode(params: AudioParams, shop: Workshop) -> Json:
    """Write the sound; with a loudness, as often as it takes to be as loud as wanted."""
    source, chosen = shop.sources[0], AUDIO_FORMATS[params.format]
    target = sound_file(shop, chosen)
    async with shop.local(source) as path:
        if params.loudness is None:
            report, told = await shop.ffmpeg.run(encoding_work(source, path, chosen, target, None), shop.progress), None
        else:
            report, told = await normalise(params.loudness, chosen, shop, path)
    seconds = (await shop.ffmpeg.probe(target, chosen.content_type)).duration_seconds
    if not seconds:
        raise InvalidMedia("The sound came out empty.")
    name = PurePath(source.item.name).stem + chosen.extension
    await shop.keep(target, name, chosen.content_type)
    return {"seconds": seconds, "loudness": told, "peakBytes": report.peak_bytes}


async def _draw(params: AudioParams, shop: Workshop) -> Json:
    source = shop.sources[0]
    audio, seconds = sound_of(source), sound_seconds(source)
    parts = _parts(audio, seconds, params)
    target = shop.file("waveform.txt")
    gauge = f"{FROM_FIRST_SAMPLE},{waveform.gauge(parts, target)}"
    async with shop.local(source) as path:
        work = Work(
            arguments=[
                *("-threads", "1", *guarded_input(path, DEMUXERS[source.item.content_type])),
                *("-map", "0:a:0", "-vn", "-sn", "-dn", "-af", gauge, "-f", "null", "-"),
            ],
            cost_bytes=_gauge_cost(audio, parts),
            threads=1,
            reads=(path,),
            writes=(target,),
            file_bytes=2 * (params.peaks * parts.frames + 1000) * waveform.BYTES_A_PEAK,
            seconds=seconds,
            expect=expected_of(source),
        )
        report = await shop.ffmpeg.run(work, shop.progress)
    found = await shop.files.run(_written, target.parent, parts, audio.sample_rate or 48_000)
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
