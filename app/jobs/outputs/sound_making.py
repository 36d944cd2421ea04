"""Sound as runs of ffmpeg: how loud it is, and encoded, as loud as wanted."""

from __future__ import annotations

import os
from pathlib import Path

from app.domain.units import MIB
from app.errors import InvalidParameter, UnsupportedMedia
from app.ffmpeg import loudness
from app.ffmpeg.audio_formats import AudioFormat
from app.ffmpeg.probe import DEMUXERS, AudioStream
from app.ffmpeg.runner import guarded_input
from app.ffmpeg.works import Expectation, Report, Work
from app.jobs.plan import Json
from app.jobs.source import Source
from app.jobs.workshop import Workshop

_BASE_BYTES = 66 * MIB
_CHANNEL_BYTES = 3 * MIB
"""Peak of decoding, metering, limiting and encoding sound, and what each channel beyond two adds (measured with FFmpeg
5.1: stereo 53 to 67 MB, eight channels at 96 kHz 54 to 81 MB; it does not depend on the length)."""

_TOLERANCE_LU = 0.5
_ROUNDS = 4
"""A limiter takes some of the loudness: the gain is corrected until the result is right, so many times at most."""

FROM_FIRST_SAMPLE = "asetpts=PTS-STARTPTS"
"""Sound that begins later than the pictures of its video begins at 0: formats without times have no other beginning."""

_SLACK_SECONDS = 0.25
"""Encoders begin with a frame or two of silence, and end with a whole frame; MP3 frames have 26 ms."""

_PACK_SECONDS = 0.5
"""Where there are only times of packs, of which each has many frames, the last one's length is not known."""


def sound_of(source: Source) -> AudioStream:
    """Return the audio of a source.

    Raises:
        UnsupportedMedia: it is a picture.
        InvalidParameter: it is a video without sound.
    """
    if source.is_picture:
        raise UnsupportedMedia(f"input: {source.item.id} is a picture; sound, or a video with sound, is needed.")
    if source.audio is None:
        raise InvalidParameter(f"input: {source.item.id} has no audio.")
    return source.audio


def sound_seconds(source: Source) -> float:
    audio = source.audio
    return audio.duration_seconds if audio is not None and audio.duration_seconds else source.duration_seconds


def expected_of(source: Source) -> Expectation:
    """Return how long the sound must be, where the file says so for certain.

    Where the audio has no duration of its own, the file's may be that of a longer video; in MP3 and raw AAC it is a
    guess by the bit rate.
    """
    audio = source.audio
    if audio is None or audio.duration_seconds is None or DEMUXERS[source.item.content_type] in ("mp3", "aac"):
        return Expectation()
    coarse = _PACK_SECONDS if DEMUXERS[source.item.content_type] in ("mpegts", "mpeg") else 0.0
    slack = _SLACK_SECONDS + coarse + audio.duration_seconds * 0.002
    return Expectation(seconds=audio.duration_seconds, seconds_slack=slack)


def sound_cost(audio: AudioStream) -> int:
    return _BASE_BYTES + _CHANNEL_BYTES * max(0, (audio.channels or 2) - 2)


async def measure(shop: Workshop, path: Path, content_type: str, seconds: float) -> loudness.Loudness:
    """Measure the loudness of a file, ours or the client's."""
    target = shop.file("loudness.txt")
    work = Work(
        arguments=[
            *("-threads", "1", *guarded_input(path, DEMUXERS[content_type])),
            *("-map", "0:a:0", "-vn", "-sn", "-dn", "-af", loudness.meter(target), "-f", "null", "-"),
        ],
        cost_bytes=sound_cost(sound_of(shop.sources[0])),
        threads=1,
        reads=(path,),
        writes=(target,),
        file_bytes=int((seconds * 1.5 + 60) * loudness.BYTES_A_SECOND),
        seconds=seconds,
    )
    try:
        await shop.ffmpeg.run(work, shop.progress)
        return loudness.read_meter(await shop.files.run(_tail, target))
    finally:
        await shop.files.remove([target])


def sound_file(shop: Workshop, chosen: AudioFormat) -> Path:
    return shop.file(f"sound{chosen.extension}")


async def normalise(wanted_lufs: float, chosen: AudioFormat, shop: Workshop, path: Path) -> tuple[Report, Json]:
    source, target = shop.sources[0], sound_file(shop, chosen)
    before = shop.results["loudness"]
    measured = loudness.Loudness(before["integratedLufs"], before["truePeakDbtp"])
    gain_db = 0.0 if measured.integrated_lufs is None else wanted_lufs - measured.integrated_lufs
    for _ in range(_ROUNDS):
        filters = loudness.gain(gain_db, measured)
        report = await shop.ffmpeg.run(encoding_work(source, path, chosen, target, filters), shop.progress)
        after = await measure(shop, target, chosen.content_type, sound_seconds(source))
        if measured.integrated_lufs is None or after.integrated_lufs is None:
            break
        missing_db = wanted_lufs - after.integrated_lufs
        if abs(missing_db) <= _TOLERANCE_LU:
            break
        gain_db += missing_db
    told = {"integratedLufs": after.integrated_lufs, "truePeakDbtp": after.true_peak_dbtp, "gainDb": round(gain_db, 2)}
    return report, told


def encoding_work(source: Source, path: Path, chosen: AudioFormat, target: Path, filters: str | None) -> Work:
    audio = sound_of(source)
    seconds = sound_seconds(source)
    chain = FROM_FIRST_SAMPLE if filters is None else f"{FROM_FIRST_SAMPLE},{filters}"
    return Work(
        arguments=[
            *("-threads", "1", *guarded_input(path, DEMUXERS[source.item.content_type])),
            *("-map", "0:a:0", "-vn", "-sn", "-dn", "-af", chain),
            *chosen.arguments(audio.sample_rate, audio.channels),
            f"file:{target.absolute()}",
        ],
        cost_bytes=sound_cost(audio),
        threads=2,
        reads=(path,),
        writes=(target,),
        file_bytes=chosen.file_bytes(seconds, audio.sample_rate, audio.channels),
        seconds=seconds,
        expect=expected_of(source),
    )


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - loudness.READ_BYTES))
        return file.read().decode("ascii", "replace")
