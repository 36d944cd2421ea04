"""The encoders of video that are used, and what each profile has them do.

The options of H.264 are those measured in four profiles (MINIMAL makes files 2.5 times as large as the others; LOW
costs next to nothing in quality or size, at 59 % of the memory of BALANCED). Memory goes with threads, lookahead and
reference frames; buffer sizes, muxing queues and filter threads, which are often advised, change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.ffmpeg.abilities import Abilities
from app.ffmpeg.profiles import Profile

MIN_SIDE = 16
"""Of a picture that all of them take, but for SVT-AV1."""


@dataclass(frozen=True, slots=True)
class Effort:
    """What one profile has an encoder do: its options, and how many threads it and the decoder have."""

    options: tuple[str, ...]
    threads: int
    decoder_threads: int


@dataclass(frozen=True, slots=True)
class Encoder:
    """`name` is FFmpeg's, `codec` the client's. `keeps_deep`: pictures of more than 8 bits stay so (with 10): not in
    H.264, whose profile for that hardly any player knows. `worst_crf` is quality 1, `best_crf` quality 100.
    `tag`: the four characters in MP4 that all players know. `least_side`: of a picture that it takes, in pixels.
    `is_uniform`: a stream has one set of parameters, before its first frame, which differ from profile to profile;
    other encoders write them into the stream, where they change."""

    name: str
    codec: str
    efforts: Mapping[Profile, Effort]
    worst_crf: int
    best_crf: int
    keeps_deep: bool
    tag: str | None = None
    least_side: int = MIN_SIDE
    is_uniform: bool = False

    def crf(self, quality: int) -> int:
        """Return the constant rate factor for a quality of 1..100: linear between the worst and the best.

        Quality 66, the default, is 23 for H.264, 26 for HEVC, 34 for VP9, 32 for AV1: what looks alike.
        """
        return round(self.worst_crf - (self.worst_crf - self.best_crf) * (quality - 1) / 99)

    def options(self, profile: Profile, quality: int) -> list[str]:
        """Return the encoder's part of a command."""
        rate = ["-b:v", "0"] if self.name in ("libvpx-vp9", "libaom-av1") else []
        tag = ["-tag:v", self.tag] if self.tag else []
        return ["-c:v", self.name, *self.efforts[profile].options, "-crf", str(self.crf(quality)), *rate, *tag]


def _x264(preset: str, threads: int, decoder_threads: int, more: str = "") -> Effort:
    return Effort(("-preset", preset, "-x264-params", f"threads={threads}{more}"), threads, decoder_threads)


_H264 = Encoder(
    name="libx264",
    codec="h264",
    efforts={
        Profile.MINIMAL: _x264("ultrafast", 1, 1, ":bframes=0:rc-lookahead=0:sync-lookahead=0"),
        Profile.LOW: _x264("veryfast", 1, 1, ":ref=1:bframes=1:rc-lookahead=5:sync-lookahead=0"),
        Profile.BALANCED: _x264("veryfast", 2, 2),
        Profile.HIGH: _x264("medium", 4, 4),
    },
    worst_crf=45,
    best_crf=11,
    keeps_deep=False,
)


def _x265(preset: str, threads: int, frames: int, decoder_threads: int, more: str = "") -> Effort:
    parameters = f"log-level=error:pools={threads}:frame-threads={frames}{more}"
    return Effort(("-preset", preset, "-x265-params", parameters), threads + frames, decoder_threads)


_HEVC = Encoder(
    name="libx265",
    codec="hevc",
    efforts={
        Profile.MINIMAL: _x265("ultrafast", 1, 1, 1, ":bframes=0:rc-lookahead=0:ref=1:lookahead-slices=0"),
        Profile.LOW: _x265("superfast", 1, 1, 1, ":bframes=2:rc-lookahead=5:ref=1:lookahead-slices=0"),
        Profile.BALANCED: _x265("fast", 2, 1, 2),
        Profile.HIGH: _x265("medium", 4, 2, 4),
    },
    worst_crf=48,
    best_crf=14,
    keeps_deep=True,
    tag="hvc1",
    is_uniform=True,
)


def _vpx(deadline: str, speed: int, lag: int, threads: int, decoder_threads: int) -> Effort:
    options = ("-deadline", deadline, "-cpu-used", str(speed), "-lag-in-frames", str(lag), "-threads", str(threads))
    return Effort((*options, "-row-mt", str(int(threads > 1))), threads, decoder_threads)


_VP9 = Encoder(
    name="libvpx-vp9",
    codec="vp9",
    efforts={
        Profile.MINIMAL: _vpx("realtime", 8, 0, 1, 1),
        Profile.LOW: _vpx("realtime", 6, 0, 1, 1),
        Profile.BALANCED: _vpx("good", 5, 12, 2, 2),
        Profile.HIGH: _vpx("good", 4, 25, 4, 4),
    },
    worst_crf=60,
    best_crf=20,
    keeps_deep=True,
)


def _svt(preset: int, decoder_threads: int, more: str = "") -> Effort:
    # "lp" is a level of parallelism and not a number of threads: 1 makes up to 20, and 4 makes 112 of them, whose
    # stacks alone count 900 MB to the data limit. Short of memory it neither goes on nor ends.
    return Effort(("-preset", str(preset), "-svtav1-params", f"lp=1{more}"), 20, decoder_threads)


_AV1_SVT = Encoder(
    name="libsvtav1",
    codec="av1",
    least_side=64,
    efforts={
        Profile.MINIMAL: _svt(12, 1, ":pred-struct=1"),
        Profile.LOW: _svt(10, 1, ":pred-struct=1"),
        Profile.BALANCED: _svt(10, 2),
        Profile.HIGH: _svt(8, 4),
    },
    worst_crf=60,
    best_crf=18,
    keeps_deep=True,
)


def _aom(speed: int, lag: int, threads: int, decoder_threads: int) -> Effort:
    usage = "realtime" if lag == 0 else "good"
    options = ("-usage", usage, "-cpu-used", str(speed), "-lag-in-frames", str(lag), "-threads", str(threads))
    return Effort((*options, "-row-mt", str(int(threads > 1))), threads, decoder_threads)


_AV1_AOM = Encoder(
    name="libaom-av1",
    codec="av1",
    efforts={
        Profile.MINIMAL: _aom(9, 0, 1, 1),
        Profile.LOW: _aom(8, 0, 1, 1),
        Profile.BALANCED: _aom(6, 12, 2, 2),
        Profile.HIGH: _aom(5, 25, 4, 4),
    },
    worst_crf=60,
    best_crf=18,
    keeps_deep=True,
)

ENCODERS = (_H264, _HEVC, _VP9, _AV1_SVT, _AV1_AOM)
"""Of one codec, the first that there is: SVT-AV1 is five to ten times as fast as libaom."""

CODECS = ("h264", "hevc", "vp9", "av1")


def find_encoder(codec: str, abilities: Abilities) -> Encoder | None:
    """Return the encoder for a codec (`CODECS`) on this machine; None: there is none."""
    return next((one for one in ENCODERS if one.codec == codec and one.name in abilities.encoders), None)


def available_codecs(abilities: Abilities) -> list[str]:
    """Return the codecs that can be encoded on this machine."""
    return [codec for codec in CODECS if find_encoder(codec, abilities) is not None]
