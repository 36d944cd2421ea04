"""Runs of ffmpeg that make parts of a time lapse: of numbered pictures, or of a video that is shown faster."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from app.ffmpeg.parts import TIMESCALE, Look, most_video_bytes
from app.ffmpeg.predictor import encode_bytes, index_bytes, picture_bytes
from app.ffmpeg.probe import DEMUXERS, VideoStream
from app.ffmpeg.profiles import Profile
from app.ffmpeg.runner import guarded_input
from app.ffmpeg.seeking import Window
from app.ffmpeg.works import Expectation, Work

SEQUENCE = "%06d.jpg"
"""What the pictures of a sequence are called, from 1."""

_CONTEXT = 3
"""Pictures before and after those of a part: motion is estimated over four of them."""

MOST_MIXED = 16
"""Frames of a fast video that are laid over one another, at most: each is held."""

_MIXED_PICTURE = 2
"""How many pictures of the result's size a mixed frame takes."""


class Between(StrEnum):
    """What is shown between two pictures: the first of them; both, one fading into the other; or what lies between."""

    NOTHING = "none"
    BLEND = "blend"
    MOTION = "motion"


_FILTERS = {
    Between.BLEND: "minterpolate=fps={rate}:mi_mode=blend:scd=none",
    Between.MOTION: "minterpolate=fps={rate}:mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1:scd=none",
}
_PIXEL_BYTES = {Between.NOTHING: 0, Between.BLEND: 16, Between.MOTION: 310}
"""What the filters hold for each pixel (measured with FFmpeg 5.1: 14 and 293 to 304, from 360p to 1080p)."""

_COLOURS = "scale=in_color_matrix=bt601:out_color_matrix=bt709:out_range=tv,setsar=1,format=yuv420p"
"""JPEG has the matrix and range of JFIF; players take those of BT.709 for video that does not say otherwise."""


@dataclass(frozen=True, slots=True)
class Timing:
    """`rate` frames a second, each picture for so many of them; what is shown between two."""

    rate: float
    frames_each: int
    between: Between

    def frames(self, pictures: int) -> int:
        """Return how many frames so many pictures make: after the last one there is nothing between."""
        if self.between is Between.NOTHING or not pictures:
            return pictures * self.frames_each
        return (pictures - 1) * self.frames_each + 1


@dataclass(frozen=True, slots=True)
class Stretch:
    """Pictures `first` to `end` (not in it) of `total`, counted from 0."""

    first: int
    end: int
    total: int

    @property
    def is_last(self) -> bool:
        return self.end == self.total

    def frames(self, timing: Timing) -> int:
        return timing.frames(self.end - self.first) if self.is_last else (self.end - self.first) * timing.frames_each


def sequence_bytes(look: Look, timing: Timing, profile: Profile) -> int:
    """Return the predicted peak of encoding pictures of the size of the result."""
    picture = picture_bytes(look.width, look.height)
    return encode_bytes(look.encoder, profile, picture, picture) + _PIXEL_BYTES[timing.between] * (
        look.width * look.height
    )


def sequence_work(folder: Path, stretch: Stretch, timing: Timing, look: Look, profile: Profile, target: Path) -> Work:
    """Return the run that encodes a stretch of the numbered pictures in a folder, all of the size of the look."""
    each, rate = timing.frames_each, timing.rate
    context = 0 if timing.between is Between.NOTHING else _CONTEXT
    first, end = max(0, stretch.first - context), min(stretch.total, stretch.end + context)
    frames = stretch.frames(timing)
    skipped = (stretch.first - first) * each
    chain = [_COLOURS]
    if timing.between is not Between.NOTHING:
        chain.append(f"tpad=stop={_CONTEXT}:stop_mode=clone")  # the filter keeps the last two to itself
        chain.append(_FILTERS[timing.between].format(rate=f"{rate:.6f}"))
    elif each > 1:
        chain.append(f"fps={rate:.6f},tpad=stop={each}:stop_mode=clone")
    chain.append(f"trim=start_frame={skipped}:end_frame={skipped + frames},setpts=PTS-STARTPTS")
    picture_rate = rate / each
    numbered = f"{str(folder.absolute()).replace('%', '%%')}/{SEQUENCE}"
    arguments = [
        *("-filter_threads", "1", "-threads", "1", "-protocol_whitelist", "file,pipe", "-f", "image2"),
        *("-framerate", f"{picture_rate:.6f}", "-start_number", str(first + 1)),
        *("-t", f"{(end - first - 0.5) / picture_rate:.6f}", "-i", f"file:{numbered}"),
        *_output(chain, frames, look, profile, target),
    ]
    return _work(arguments, sequence_bytes(look, timing, profile), folder, target, (look, profile, rate, frames))


@dataclass(frozen=True, slots=True)
class Pace:
    """A video is shown `speed` times as fast, with `rate` frames a second. `mixed`: so many frames are laid over one
    another. `only_keyframes`: there are enough of them to do without the others."""

    speed: float
    rate: float
    between: Between
    mixed: int = 1
    only_keyframes: bool = False

    def frames(self, seconds: float) -> int:
        return max(1, int(seconds * self.rate / self.speed + 1e-6))

    def ratio(self, video: VideoStream) -> float:
        """Return how many frames of the video come for each that is shown."""
        return self.speed * (video.frame_rate or 25.0) / self.rate


@dataclass(frozen=True, slots=True)
class Film:
    """The video that is shown faster, or slower."""

    path: Path
    content_type: str
    video: VideoStream
    seconds: float


def film_bytes(film: Film, pace: Pace, look: Look, profile: Profile) -> int:
    """Return the predicted peak of encoding a part of a video at another speed."""
    video, pixels = film.video, look.width * look.height
    picture_in = picture_bytes(video.coded_width, video.coded_height, deep=video.is_deep)
    filters = _PIXEL_BYTES[pace.between] * pixels + int(1.5 * pixels * _MIXED_PICTURE * (pace.mixed - 1))
    index = index_bytes(film.seconds, video.frame_rate)
    return index + filters + encode_bytes(look.encoder, profile, picture_in, picture_bytes(look.width, look.height))


def film_work(film: Film, pace: Pace, span: tuple[int, int], look: Look, profile: Profile, target: Path) -> Work:
    """Return the run that encodes frames `span[0]` to `span[1]` (not in it) of the result."""
    frames = span[1] - span[0]
    start = span[0] * pace.speed / pace.rate
    length = (frames + 2) * pace.speed / pace.rate + 1.0
    skip: tuple[str, ...] = ()
    if pace.only_keyframes:
        skip = ("-skip_frame", "nokey")
    elif pace.ratio(film.video) >= 4 and pace.mixed == 1:
        skip = ("-skip_frame", "noref")
    window = Window(film.content_type, start, start + length)
    chain = [*window.pictures, f"scale={look.width}:{look.height}:flags=bicubic,setsar=1,format=yuv420p"]
    if pace.mixed > 1:
        chain.append(f"tmix=frames={pace.mixed}")
    chain.append(f"setpts=PTS/{pace.speed:.9f}")
    if pace.between in _FILTERS and pace.mixed == 1:
        chain.append(f"tpad=stop={_CONTEXT}:stop_mode=clone,{_FILTERS[pace.between].format(rate=f'{pace.rate:.6f}')}")
    chain.append(f"fps={pace.rate:.6f}:start_time=0:round=up")
    chain.append(f"tpad=stop=-1:stop_mode=clone,trim=end_frame={frames}")
    arguments = [
        *("-filter_threads", "1", "-threads", str(look.encoder.efforts[profile].decoder_threads)),
        *(*skip, *window.options),
        *guarded_input(film.path, DEMUXERS[film.content_type]),
        *_output(chain, frames, look, profile, target),
    ]
    cost = film_bytes(film, pace, look, profile)
    return _work(arguments, cost, film.path, target, (look, profile, pace.rate, frames))


def _output(chain: list[str], frames: int, look: Look, profile: Profile, target: Path) -> list[str]:
    return [
        *("-map", "0:V:0", "-an", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"),
        *("-vf", ",".join(chain), "-frames:v", str(frames), "-fps_mode", "passthrough"),
        *look.encoder.options(profile, look.quality),
        *("-video_track_timescale", str(TIMESCALE), "-f", "mp4", f"file:{target.absolute()}"),
    ]


def _work(arguments: list[str], cost: int, source: Path, target: Path, made: tuple[Look, Profile, float, int]) -> Work:
    look, profile, rate, frames = made
    effort = look.encoder.efforts[profile]
    return Work(
        arguments=arguments,
        cost_bytes=cost,
        threads=effort.threads + effort.decoder_threads + 2,
        reads=(source,),
        writes=(target,),
        file_bytes=most_video_bytes(look, frames),
        seconds=frames / rate,
        expect=Expectation(frames=frames),
    )
