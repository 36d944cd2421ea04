"""The sound of what is made: encoded once over the whole length, so that joins are heard nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from app.domain.units import MIB
from app.ffmpeg.abilities import Abilities
from app.ffmpeg.predictor import index_bytes
from app.ffmpeg.probe import DEMUXERS, AudioStream
from app.ffmpeg.runner import guarded_input
from app.ffmpeg.seeking import lead_seconds, seek
from app.ffmpeg.works import Expectation, Work

SOUND_BYTES = 76 * MIB
"""What decoding and encoding sound takes (measured: 68 MiB), without the index of a long file."""

_ENCODERS: Mapping[str, tuple[str, str]] = {"aac": ("aac", "80000"), "opus": ("libopus", "64000")}
"""By codec: FFmpeg's encoder, and bits a second for each channel: transparent to most ears at 160 and 128 in stereo."""

CODECS = tuple(_ENCODERS)

_PRE_ROLL_SECONDS = 1.0
"""Sound is decoded from so much earlier on: the first frame of AAC after a seek is not what it would have been."""

THREADS = 4


@dataclass(frozen=True, slots=True)
class Voice:
    """What sound is to be like, so that pieces of several sources go together: raw PCM of 16 bits in between."""

    sample_rate: int
    channels: int

    @classmethod
    def of(cls, audio: AudioStream | None) -> Voice:
        """Return that of a source; stereo of 48 kHz where it has none. More than two channels are mixed to two."""
        if audio is None:
            return cls(48_000, 2)
        return cls(min(max(audio.sample_rate or 48_000, 8000), 48_000), min(audio.channels or 2, 2))

    @property
    def layout(self) -> str:
        return "mono" if self.channels == 1 else "stereo"


def can_encode(codec: str, abilities: Abilities) -> bool:
    """Return whether this machine can encode a codec of `CODECS`."""
    return codec in _ENCODERS and _ENCODERS[codec][0] in abilities.encoders


def encoder_options(codec: str, channels: int) -> list[str]:
    """Return the encoder's part of a command. Opus takes one or two channels: it has no layout for "5.1(side)"."""
    encoder, bits = _ENCODERS[codec]
    kept = min(channels, 2) if codec == "opus" else min(channels, 6)
    return ["-c:a", encoder, "-b:a", str(int(bits) * kept), "-ac", str(kept)]


def encoded_bytes(seconds: float, channels: int = 2) -> int:
    """Return what encoded sound takes on the disk, and some."""
    return int(MIB + seconds * max(2, channels) * 12_000)


def sound_work(path: Path, content_type: str, target: Path, codec: str, audio: AudioStream, seconds: float) -> Work:
    """Return the run that encodes all sound of a file from its very beginning on: silence, where it begins later."""
    options = encoder_options(codec, audio.channels or 2)
    known = None if audio.duration_seconds is None else audio.late_seconds + audio.duration_seconds
    return Work(
        arguments=[
            *("-filter_threads", "1", "-threads", "1", "-vn", *seek(content_type, 0.0)),
            *guarded_input(path, DEMUXERS[content_type]),
            *("-map", "0:a:0", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"),
            *("-af", "aresample=async=1:first_pts=0", *options),
            *("-f", "mp4" if codec == "aac" else "webm", f"file:{target}"),
        ],
        cost_bytes=SOUND_BYTES + index_bytes(seconds, None),
        threads=THREADS,
        reads=(path,),
        writes=(target,),
        file_bytes=2 * encoded_bytes(seconds, audio.channels or 2),
        seconds=seconds,
        expect=Expectation() if known is None else Expectation(seconds=known, seconds_slack=0.5 + known * 0.01),
    )


def piece_work(source: tuple[Path, str] | None, start: float, samples: int, voice: Voice, target: Path) -> Work:
    """Return the run that writes exactly so many samples of a file's sound, from `start` (seconds) on, as WAV.

    It is silence where the source (path and content type) has none, or is None.
    """
    pad = f"apad=whole_len={samples},atrim=end_sample={samples}"
    if source is None:
        silence = f"anullsrc=r={voice.sample_rate}:cl={voice.layout}"
        inputs, chain = ["-f", "lavfi", "-i", silence], f"atrim=end_sample={samples}"
    else:
        path, content_type = source
        ahead = lead_seconds(content_type, start, _PRE_ROLL_SECONDS)
        rate = f"aresample={voice.sample_rate}:async=1:first_pts=0,aformat=channel_layouts={voice.layout}"
        chain = f"{rate},atrim=start={ahead:.6f},asetpts=PTS-STARTPTS,{pad}"
        length = ["-t", f"{ahead + samples / voice.sample_rate + 1:.6f}"]
        inputs = ["-vn", *seek(content_type, start - ahead), *length, *guarded_input(path, DEMUXERS[content_type])]
    seconds = samples / voice.sample_rate
    return Work(
        arguments=[
            *("-filter_threads", "1", "-threads", "1", *inputs),
            *("-map", "0:a:0", "-sn", "-dn", "-map_metadata", "-1", "-af", chain),
            *("-c:a", "pcm_s16le", "-f", "wav", "-rf64", "auto", f"file:{target}"),
        ],
        cost_bytes=SOUND_BYTES,
        threads=THREADS,
        reads=() if source is None else (source[0],),
        writes=(target,),
        file_bytes=samples * voice.channels * 2 + MIB,
        seconds=seconds,
        expect=Expectation(seconds=seconds, seconds_slack=0.001),
    )


def in_file_of(work: Work, seconds: float) -> Work:
    """Return the same for a file that lasts so long: its index is in memory."""
    return replace(work, cost_bytes=work.cost_bytes + index_bytes(seconds, None))
