"""The encoders of video that are used, and what each profile has them do.

The options of H.264 are those measured in four profiles (MINIMAL makes files 2.5 times as large as the others; LOW
costs next to nothing in quality or size, at 59 % of the memory of BALANCED). Memory goes with threads, lookahead and
reference frames; buffer sizes, muxing queues and filter threads, which are often advised, change nothing.

What they hold is measured with FFmpeg 5.1 at 360p, 720p, 1080p: within 6 % of what stands here (HIGH of VP9 at 1080p
8 % less); x264 at 4K within 9 %. From 120p to 240p no run took more, and BALANCED of VP9 a fifth less.
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
    """What one profile has an encoder do: its options, and how many threads it and the decoder have; and what that
    holds at its peak (`predictor`): `base_mib`, and so many `pictures` of the size of the result."""

    options: tuple[str, ...]
    threads: int
    decoder_threads: int
    base_mib: int
    pictures: float


@dataclass(frozen=True, slots=True)
class Encoder:
    """`name` is FFmpeg's, `codec` the client's. `keeps_deep`: pictures of more than 8 bits stay so (with 10): not in
    H.264, whose profile for that hardly any player knows. `worst_crf` is quality 1, `best_crf` quality 100.
    `tag`: the four characters in MP4 that all players know. `least_side`: of a picture that it takes, in pixels.
    `is_uniform`: a stream has one set of parameters, before its first frame, which differ from profile to profile;
    other encoders write them into the stream, where they change. `rate`: what it needs beside the rate factor."""

    name: str
    codec: str
    efforts: Mapping[Profile, Effort]
    worst_crf: int
    best_crf: int
    keeps_deep: bool
    tag: str | None = None
    least_side: int = MIN_SIDE
    is_uniform: bool = False
    rate: tuple[str, ...] = ()

    def crf(self, quality: int) -> int:
        """Return the constant rate factor for a quality of 1..100: linear between the worst and the best.

        Quality 66, the default, is 23 for H.264, 26 for HEVC, 34 for VP9, 32 for AV1: what looks alike.
        """
        return round(self.worst_crf - (self.worst_crf - self.best_crf) * (quality - 1) / 99)

    def options(self, profile: Profile, quality: int) -> list[str]:
        """Return the encoder's part of a command."""
        tag = ["-tag:v", self.tag] if self.tag else []
        return ["-c:v", self.name, *self.efforts[profile].options, "-crf", str(self.crf(quality)), *self.rate, *tag]


def _x264(preset: str, threads: int, held: tuple[int, float], more: str = "") -> Effort:
    return Effort(("-preset", preset, "-x264-params", f"threads={threads}{more}"), threads, threads, *held)


_H264 = Encoder(
    name="libx264",
    codec="h264",
    efforts={
        Profile.MINIMAL: _x264("ultrafast", 1, (57, 10), ":bframes=0:rc-lookahead=0:sync-lookahead=0"),
        Profile.LOW: _x264("veryfast", 1, (57, 30), ":ref=1:bframes=1:rc-lookahead=5:sync-lookahead=0"),
        Profile.BALANCED: _x264("veryfast", 2, (61, 67.5)),
        Profile.HIGH: _x264("medium", 4, (70, 140)),
    },
    worst_crf=45,
    best_crf=11,
    keeps_deep=False,
)


def _x265(preset: str, threads: int, frames: int, held: tuple[int, float], more: str = "") -> Effort:
    parameters = f"log-level=error:pools={threads}:frame-threads={frames}{more}"
    return Effort(("-preset", preset, "-x265-params", parameters), threads + frames, threads, *held)


_HEVC = Encoder(
    name="libx265",
    codec="hevc",
    efforts={
        Profile.MINIMAL: _x265("ultrafast", 1, 1, (62, 32.5), ":bframes=0:rc-lookahead=0:ref=1:lookahead-slices=0"),
        Profile.LOW: _x265("superfast", 1, 1, (70, 68), ":bframes=2:rc-lookahead=5:ref=1:lookahead-slices=0"),
        Profile.BALANCED: _x265("fast", 2, 1, (88, 99)),
        Profile.HIGH: _x265("medium", 4, 2, (96, 126)),
    },
    worst_crf=48,
    best_crf=14,
    keeps_deep=True,
    tag="hvc1",
    is_uniform=True,
)


def _vpx(deadline: str, speed: int, lag: int, threads: int, held: tuple[int, float]) -> Effort:
    options = ("-deadline", deadline, "-cpu-used", str(speed), "-lag-in-frames", str(lag), "-threads", str(threads))
    return Effort((*options, "-row-mt", str(int(threads > 1))), threads, threads, *held)


_VP9 = Encoder(
    name="libvpx-vp9",
    codec="vp9",
    efforts={
        Profile.MINIMAL: _vpx("realtime", 8, 0, 1, (70, 50)),
        Profile.LOW: _vpx("realtime", 6, 0, 1, (70, 50)),
        Profile.BALANCED: _vpx("good", 5, 12, 2, (86, 65)),
        Profile.HIGH: _vpx("good", 4, 25, 4, (97, 95)),
    },
    worst_crf=60,
    best_crf=20,
    keeps_deep=True,
    rate=("-b:v", "0"),
)


def _svt(preset: int, decoder_threads: int, held: tuple[int, float], more: str = "") -> Effort:
    # "lp" is a level of parallelism and not a number of threads: 1 makes up to 20, and 4 makes 112 of them, whose
    # stacks alone count 900 MB to the data limit. Short of memory it neither goes on nor ends.
    return Effort(("-preset", str(preset), "-svtav1-params", f"lp=1{more}"), 20, decoder_threads, *held)


_AV1_SVT = Encoder(
    name="libsvtav1",
    codec="av1",
    least_side=64,
    efforts={
        Profile.MINIMAL: _svt(12, 1, (68, 42), ":pred-struct=1"),
        Profile.LOW: _svt(10, 1, (71, 43), ":pred-struct=1"),
        Profile.BALANCED: _svt(10, 2, (84, 103)),
        Profile.HIGH: _svt(8, 4, (84, 108)),
    },
    worst_crf=60,
    best_crf=18,
    keeps_deep=True,
)


def _aom(speed: int, lag: int, threads: int, held: tuple[int, float]) -> Effort:
    usage = "realtime" if lag == 0 else "good"
    options = ("-usage", usage, "-cpu-used", str(speed), "-lag-in-frames", str(lag), "-threads", str(threads))
    return Effort((*options, "-row-mt", str(int(threads > 1))), threads, threads, *held)


_AV1_AOM = Encoder(
    name="libaom-av1",
    codec="av1",
    efforts={
        Profile.MINIMAL: _aom(8, 0, 1, (64, 22)),  # 9 is not taken before FFmpeg 6
        Profile.LOW: _aom(8, 0, 1, (64, 22)),
        Profile.BALANCED: _aom(6, 12, 2, (80, 60)),
        Profile.HIGH: _aom(5, 25, 4, (90, 102)),
    },
    worst_crf=60,
    best_crf=18,
    keeps_deep=True,
    rate=("-b:v", "0"),
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
