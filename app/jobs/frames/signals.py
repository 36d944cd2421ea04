"""What ffmpeg's own filters tell of a video: cuts between scenes, black and silent spans, blur.

They write what they find into files, as ffmpeg's `metadata` and `ametadata` filters do: a line that says when
(`frame:12 pts:6144 pts_time:0.48`), and below it a line a value (`lavfi.scene_score=0.51`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.domain.units import MIB
from app.ffmpeg.filter_text import filter_path
from app.ffmpeg.predictor import decode_bytes, picture_bytes
from app.ffmpeg.probe import DEMUXERS, VideoStream
from app.ffmpeg.runner import guarded_input
from app.ffmpeg.seeking import Window
from app.ffmpeg.works import Expectation, Work

SCENE = 0.3
"""Change from one frame to the next, of 1, above which it is a cut: all of four real ones, and no other (facts)."""

LEAST_SECONDS = 0.5
"""How long black or silence lasts to be told."""

_FOUND_SECONDS = 0.1
"""The same for the filters: what is shorter may go on in the next step."""

_BLUR_FPS = 2
_BLUR_WIDTH = 320
_LEAD_SECONDS = 1.0
"""How much earlier a step begins, so that its first frame has one before it."""

FILTERS: Mapping[str, str] = {
    "scenes": "select",
    "black": "blackdetect",
    "silence": "silencedetect",
    "blur": "blurdetect",
}
"""What each signal needs of ffmpeg."""

KEYS: Mapping[str, Sequence[str]] = {
    "scenes": ("scene_score",),
    "black": ("black_start", "black_end"),
    "silence": ("silence_start", "silence_end"),
    "blur": ("blur",),
}
"""What each tells. Each key has a file of its own: two filters that write to the same overwrite each other."""

_MOST = 10_000
"""Cuts and spans that are told of one video."""

_TIME = re.compile(r"pts_time:(-?[\d.]+)")

Reading = tuple[float, float]
"""When, in seconds of the video, and the value that a filter gave; the time of `*_start` and `*_end` is their value."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Until when there are pictures and sound, in seconds; None: nobody knows."""

    pictures: float | None
    sound: float | None


@dataclass(frozen=True, slots=True)
class Watched:
    """The video that is watched."""

    path: Path
    content_type: str
    video: VideoStream
    ends: Ends


def signals_bytes(video: VideoStream) -> int:
    """Return the predicted peak of such a run."""
    return decode_bytes(picture_bytes(video.coded_width, video.coded_height, deep=video.is_deep)) + 16 * MIB


def signals_work(watched: Watched, wanted: Sequence[str], span: tuple[float, float], files: Mapping[str, Path]) -> Work:
    """Return the run that finds what is `wanted` (names of `FILTERS`) from `span[0]` to `span[1]`.

    `files` are where the filters write, by key (`KEYS`).
    """
    seek = max(0.0, span[0] - _LEAD_SECONDS)
    window = Window(watched.content_type, seek, span[1])
    branches = _branches(wanted, files)
    splits = "".join(f"[b{number}]" for number in range(len(branches)))
    split = ",".join([*window.pictures, f"split={len(branches) + 1}{splits}[all]"])
    graph = [f"[0:V:0]{split}"] if branches else []
    graph += [f"[b{number}]{branch},nullsink" for number, branch in enumerate(branches)]
    outputs = ["-map", "[all]"] if branches else []
    if "silence" in wanted:
        detect = f"silencedetect=n=-50dB:d={_FOUND_SECONDS}"
        graph.append(f"[0:a:0]{','.join([*window.sound, detect, _told('ametadata', 'silence', files)])}[sound]")
        outputs += ["-map", "[sound]"]
    return Work(
        arguments=[
            *("-threads", "1", "-filter_threads", "1", "-filter_complex_threads", "1"),
            *window.options,
            *guarded_input(watched.path, DEMUXERS[watched.content_type]),
            *("-filter_complex", ";".join(graph), *outputs, "-fps_mode", "passthrough", "-f", "null", "-"),
        ],
        cost_bytes=signals_bytes(watched.video),
        threads=2,
        reads=(watched.path,),
        writes=tuple(files[key] for name in wanted for key in KEYS[name]),
        file_bytes=64 * MIB,
        seconds=span[1] - seek,
        expect=_expected(watched.ends, wanted, seek, span[1]),
    )


def _expected(ends: Ends, wanted: Sequence[str], start: float, end: float) -> Expectation:
    """Return how much there must be: as long as the longer one of the streams that are used lasts."""
    known = [ends.sound] if "silence" in wanted else []
    known += [ends.pictures] if set(wanted) - {"silence"} else []
    if None in known:
        return Expectation()
    seconds = min(end, max(one for one in known if one is not None)) - start
    return Expectation() if seconds <= 0 else Expectation(seconds=seconds, seconds_slack=max(1.0, 0.02 * seconds))


def readings(text: str, key: str, span: tuple[float, float]) -> list[Reading]:
    """Return what a filter wrote of one key; what lies before the span was found by the step before it."""
    seek = max(0.0, span[0] - _LEAD_SECONDS)
    is_edge = key.endswith(("_start", "_end"))
    found: list[Reading] = []
    time = 0.0
    for line in text.splitlines():
        if match := _TIME.search(line):
            time = float(match[1])
        name, _, value = line.partition("=")
        if name == f"lavfi.{key}" and (number := _number(value)) is not None:
            found.append((round((number if is_edge else time) + seek, 3), number))
    return [one for one in found if is_edge or one[0] >= span[0]]


def spans(starts: Sequence[Reading], ends: Sequence[Reading], span: tuple[float, float]) -> list[list[float]]:
    """Return from when to when something was so, in seconds, within the span; what has no end goes on until its end."""
    result = []
    for start, _ in starts:
        end = next((time for time, _ in ends if time > start), span[1])
        begun, ended = max(start, span[0]), min(end, span[1])
        if ended > begun:
            result.append([round(begun, 3), round(ended, 3)])
    return result


def joined(parts: Iterable[Sequence[Sequence[float]]]) -> list[list[float]]:
    """Return the spans of all steps, those that go on in the next one as one; only what lasts `LEAST_SECONDS`."""
    result: list[list[float]] = []
    for start, end in (span for part in parts for span in part):
        if result and start - result[-1][1] < _FOUND_SECONDS:
            result[-1][1] = max(result[-1][1], end)
        else:
            result.append([start, end])
    return [span for span in result if span[1] - span[0] >= LEAST_SECONDS]


def _branches(wanted: Sequence[str], files: Mapping[str, Path]) -> list[str]:
    """Return the chains of filters on the pictures."""
    chains = {
        "scenes": f"select=gt(scene\\,{SCENE})",
        "black": f"blackdetect=d={_FOUND_SECONDS}",
        "blur": f"fps={_BLUR_FPS},scale={_BLUR_WIDTH}:-2,blurdetect",
    }
    return [f"{chain},{_told('metadata', name, files)}" for name, chain in chains.items() if name in wanted]


def _told(kind: str, name: str, files: Mapping[str, Path]) -> str:
    return ",".join(f"{kind}=print:key=lavfi.{key}:direct=1:file={filter_path(files[key])}" for key in KEYS[name])


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None  # the blur of a picture without edges is none


def told(found: Mapping[str, Sequence[Reading]], span: tuple[float, float]) -> dict[str, Any]:
    """Return what a step found, as it is kept."""
    result: dict[str, Any] = {}
    if "scene_score" in found:
        result["scenes"] = [time for time, _ in found["scene_score"] if time > 0][:_MOST]
    for name in ("black", "silence"):
        if f"{name}_start" in found:
            result[name] = spans(found[f"{name}_start"], found[f"{name}_end"], span)[:_MOST]
    if "blur" in found:
        values = [value for _, value in found["blur"]]
        most = max(found["blur"], key=lambda one: one[1], default=None)
        result["blur"] = {"samples": len(values), "sum": round(sum(values), 3), "most": most}
    return result


def summed(parts: Sequence[Mapping[str, Any]], wanted: Sequence[str]) -> dict[str, Any]:
    """Return what all steps found, as members of the summary."""
    result: dict[str, Any] = {}
    if "scenes" in wanted:
        result["sceneCuts"] = [time for part in parts for time in part.get("scenes", ())][:_MOST]
    for name, member in (("black", "blackSpans"), ("silence", "silentSpans")):
        if name in wanted:
            whole = joined(part.get(name, ()) for part in parts)
            result[member] = [{"start": start, "end": end} for start, end in whole]
    if "blur" in wanted:
        blurs = [part["blur"] for part in parts if "blur" in part]
        samples = sum(one["samples"] for one in blurs)
        most = max((one["most"] for one in blurs if one["most"]), key=lambda one: one[1], default=None)
        result["blur"] = {
            "samples": samples,
            "mean": round(sum(one["sum"] for one in blurs) / samples, 3) if samples else None,
            "most": None if most is None else {"timeSeconds": most[0], "blur": most[1]},
        }
    return result
