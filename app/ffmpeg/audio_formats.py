"""The formats of sound that are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.units import MIB
from app.ffmpeg.abilities import Abilities


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """`encoder` and `muxer` are FFmpeg's. `coded_bytes` is the most that a second takes, None: as many bytes as its
    samples have; `keeps_channels`: as many as there are, instead of at most two. `sample_rate`: the one that the codec has; None: the input's, where it can."""

    name: str
    encoder: str
    muxer: str
    content_type: str
    extension: str
    options: tuple[str, ...]
    coded_bytes: int | None
    keeps_channels: bool = False
    sample_rate: int | None = None
    most_sample_rate: int = 48_000

    def arguments(self, sample_rate: int | None, channels: int | None) -> list[str]:
        """Return the part of a command that encodes sound of this rate and so many channels."""
        wanted = self._rate(sample_rate)
        count = channels or 2
        return [
            *("-c:a", self.encoder, *self.options),
            *("-ar", str(wanted)),
            *("-ac", str(count if self.keeps_channels else min(2, count))),
            *("-map_metadata", "-1", "-f", self.muxer),
        ]

    def file_bytes(self, seconds: float, sample_rate: int | None, channels: int | None) -> int:
        """Return the size of the largest file that so many seconds can make, give or take a tenth of their length."""
        second_bytes = self.coded_bytes or self._rate(sample_rate) * (channels or 2) * 2
        return int((seconds * 1.1 + 10) * second_bytes) + MIB

    def _rate(self, sample_rate: int | None) -> int:
        return self.sample_rate or min(sample_rate or self.most_sample_rate, self.most_sample_rate)


AUDIO_FORMATS: Mapping[str, AudioFormat] = {
    one.name: one
    for one in (
        AudioFormat("aac", "aac", "ipod", "audio/mp4", ".m4a", ("-b:a", "192k", "-movflags", "+faststart"), 64_000),
        AudioFormat("opus", "libopus", "ogg", "audio/ogg", ".ogg", ("-b:a", "128k"), 64_000, sample_rate=48_000),
        AudioFormat("mp3", "libmp3lame", "mp3", "audio/mpeg", ".mp3", ("-b:a", "192k"), 48_000),
        AudioFormat(
            *("wav", "pcm_s16le", "wav", "audio/wav", ".wav"),
            ("-rf64", "auto"),
            None,
            keeps_channels=True,
            most_sample_rate=192_000,
        ),
    )
}


def available_formats(abilities: Abilities) -> list[str]:
    """Return the names of the formats that this machine's ffmpeg can write."""
    return [
        name
        for name, one in AUDIO_FORMATS.items()
        if one.encoder in abilities.encoders and one.muxer in abilities.muxers
    ]
