"""Jobs that encode against ffmpeg by itself, with the same options: `transcode` by time, `clip` by CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from app.ffmpeg.encoders import ENCODERS
from app.ffmpeg.profiles import Profile
from app.jobs.outputs.segments import QUALITY
from benchmarks.table import Measure
from benchmarks.video_films import Plain, frame_count, run_plain
from benchmarks.video_service import Done, JobService

_TRANSCODE_QUALITY = 66
_SEGMENTS = ((0.1, 0.4), (0.6, 0.9))
"""Of the film, as shares of its length: in order, since ffmpeg keeps all frames of others in memory."""

_H264 = next(encoder for encoder in ENCODERS if encoder.name == "libx264")
_T = TypeVar("_T")
_FORM = "setsar=1,format=yuv420p"


def measure_transcode(jobs: JobService, film: Path, rounds: int, chunks: str | bool) -> list[Measure]:
    """Return how the time of a job stands to that of ffmpeg, in one piece and in chunks; the rounds are interleaved."""
    media_id, target = jobs.store(film), film.with_name("plain.mp4")
    orders = {"in one piece": False, "in chunks": chunks}
    ratios: dict[str, list[float]] = {name: [] for name in orders}
    seconds: dict[str, list[float]] = {name: [] for name in ("by ffmpeg alone", *orders)}
    for number in range(rounds):
        for name, chunked in _turned(list(orders.items()), number):
            done = jobs.do("transcode", media_id, {"chunked": chunked, "quality": _TRANSCODE_QUALITY})
            plain = _transcode_plain(film, target, done)
            _check_frames(film, done)
            ratios[name].append(done.wall_seconds / plain.wall_seconds)
            seconds[name].append(done.wall_seconds)
            seconds["by ffmpeg alone"].append(plain.wall_seconds)
    return [
        Measure("transcode in one piece, time over that of ffmpeg", ratios["in one piece"], "", 1.05, 3),
        Measure("transcode in chunks, time over that of ffmpeg", ratios["in chunks"], "", 1.10, 3),
        *(Measure(f"  {name}", values, "s", digits=2) for name, values in seconds.items()),
    ]


def measure_clip(jobs: JobService, film: Path, seconds: float, rounds: int) -> list[Measure]:
    """Return how the CPU time of a job stands to that of trim and concat in one filter graph, and frames missed."""
    media_id, target = jobs.store(film), film.with_name("cut.mp4")
    spans = [(round(start * seconds), round(end * seconds)) for start, end in _SEGMENTS]
    params = {"segments": [{"start": start, "end": end} for start, end in spans]}
    ratios, own, theirs, missed = [], [], [], []
    for number in range(rounds):
        runs: list[Callable[[], Done | Plain]] = [
            lambda: jobs.do("clip", media_id, params),
            lambda: _clip_plain(film, target, spans),
        ]
        results = [run() for run in _turned(runs, number)]
        done = next(one for one in results if isinstance(one, Done))
        plain = next(one for one in results if isinstance(one, Plain))
        ratios.append(done.cpu_seconds / plain.cpu_seconds)
        own.append(done.cpu_seconds)
        theirs.append(plain.cpu_seconds)
        missed.append(abs(int(done.summary["frames"]) - frame_count(target)))
    return [
        Measure("clip, CPU over that of trim and concat", ratios, "", 1.0, 3),
        Measure("  its programs", own, "s", digits=2),
        Measure("  trim and concat", theirs, "s", digits=2),
        Measure("  frames more or less", missed, "", 0, 0),
    ]


def _turned(things: Sequence[_T], number: int) -> Sequence[_T]:
    """Return the things with another one first in each round."""
    first = number % len(things)
    return [*things[first:], *things[:first]]


def _transcode_plain(film: Path, target: Path, done: Done) -> Plain:
    profile = Profile[done.document["memory"]["profile"]]
    threads = str(_H264.efforts[profile].decoder_threads)
    return run_plain(
        *("-filter_threads", "1", "-threads", threads, "-i", str(film), "-map", "0:v", "-map", "0:a", "-vf", _FORM),
        *("-fps_mode", "passthrough", *_H264.options(profile, _TRANSCODE_QUALITY), "-c:a", "aac", str(target)),
    )


def _clip_plain(film: Path, target: Path, spans: Sequence[tuple[int, int]]) -> Plain:
    graph, places = "", range(len(spans))
    for place, (start, end) in enumerate(spans):
        graph += f"[0:v]trim={start}:{end},setpts=PTS-STARTPTS,{_FORM}[v{place}];"
        graph += f"[0:a]atrim={start}:{end},asetpts=PTS-STARTPTS[a{place}];"
    graph += "".join(f"[v{place}][a{place}]" for place in places) + f"concat=n={len(spans)}:v=1:a=1[v][a]"
    threads = str(_H264.efforts[Profile.HIGH].decoder_threads)
    return run_plain(
        *("-threads", threads, "-i", str(film), "-filter_complex", graph, "-map", "[v]", "-map", "[a]"),
        *("-fps_mode", "passthrough", *_H264.options(Profile.HIGH, QUALITY), "-c:a", "aac", str(target)),
    )


def _check_frames(film: Path, done: Done) -> None:
    if (found := done.summary["frames"]) != (wanted := frame_count(film)):
        raise SystemExit(f"the result has {found} frames, and the film {wanted}")
