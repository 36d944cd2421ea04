"""`analyze`: what a vision task finds in the frames of a video, and what ffmpeg's filters tell of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.domain.units import MIB
from app.errors import InvalidParameter, UnsupportedMedia
from app.ffmpeg.running import MARGIN
from app.jobs.frames import signals
from app.jobs.frames.frame_index import FRAME_BYTES, write_index
from app.jobs.frames.look_cost import CALL_BYTES, check_fits, decoder_threads, look_bytes
from app.jobs.frames.looking import Looking
from app.jobs.frames.sampling import Sampling
from app.jobs.frames.task_params import chosen_task
from app.jobs.kind import JobKind, TaskLook
from app.jobs.params import JobParams
from app.jobs.plan import Json, Plan, Step
from app.jobs.source import Source
from app.jobs.workshop import Means, Workshop
from app.vision.tally import total

_BOX = 640, 480
"""The usual analysis size."""
_SIGNAL_SECONDS = 600.0
_LINE_BYTES = 4096
"""Of one looked-at frame, on the average: a hand has 3 KB, a body 6, a face with landmarks 24."""
_LONG_LINES: Mapping[str, int] = {"face-landmarks": 32 * 1024, "pose": 8 * 1024}

NDJSON = "application/x-ndjson"


class AnalyzeParams(JobParams):
    """Parameters of the task stand beside these."""

    model_config = ConfigDict(extra="allow")

    task: Annotated[
        str | None, Field(description="A vision task; its own parameters stand beside this one.", examples=["hands"])
    ] = None
    sample_fps: Annotated[
        float | None, Field(ge=0.001, le=240, description="Samples for each second of the video; 5 if nothing is said.")
    ] = None
    every_nth_frame: Annotated[
        int | None, Field(ge=1, le=1_000_000, description="In place of `sampleFps`: every so many frames.")
    ] = None
    keyframes: Annotated[bool, Field(description="In place of `sampleFps`: key frames only, 80 times as fast.")] = False
    start: Annotated[float, Field(ge=0, description="From when on, in seconds.")] = 0.0
    end: Annotated[float | None, Field(gt=0, description="Until when, in seconds.")] = None
    scenes: Annotated[bool, Field(description="Tell where scenes are cut.")] = False
    black: Annotated[bool, Field(description="Tell where it is black for half a second or more.")] = False
    silence: Annotated[bool, Field(description="Tell where it is silent for half a second or more.")] = False
    blur: Annotated[bool, Field(description="Tell how blurred the pictures are, twice a second.")] = False

    @property
    def signals(self) -> list[str]:
        return [name for name in signals.FILTERS if getattr(self, name)]


class Analyze(JobKind[AnalyzeParams]):
    name = "analyze"
    summary = "what a vision task finds in the frames of a video; scene cuts, black, silence and blur"
    params = AnalyzeParams

    def usual(self, sources: Sequence[Source]) -> dict[str, Any]:  # noqa: ARG002
        return {"task": "hands"}

    def looks(self, params: AnalyzeParams, means: Means) -> Sequence[TaskLook]:  # noqa: ARG002
        return () if params.task is None else (chosen_task(params.task, params.model_extra or {}),)

    def plan(self, sources: Sequence[Source], params: AnalyzeParams, means: Means) -> Plan:
        source = sources[0]
        sampling = _sampling(source, params)
        looking = _looking(params, sampling)
        if looking is None and not params.signals:
            raise InvalidParameter("task: say what is looked for, or one of scenes, black, silence and blur.")
        _check_signals(source, params, means)
        steps: list[Step] = []
        threads = decoder_threads(_predicted(source, looking, 2), means.limit_bytes)
        steps.append(Step("index", "listing the frames", weight=1.0))
        if looking is not None:
            steps += _steps("look", "looking at", sampling.segments(), {"threads": threads})
        if params.signals:
            steps += _steps("signals", "watching", _equal(sampling.start, sampling.end, _SIGNAL_SECONDS), {})
        steps.append(Step("write", "writing the result", weight=1.0))
        predicted_bytes = _predicted(source, looking, threads)
        check_fits(predicted_bytes, means.limit_bytes)
        part = sampling.segment_seconds if looking is not None else _SIGNAL_SECONDS
        chunk_seconds = min(part, sampling.end - sampling.start)
        return Plan(steps, predicted_bytes, _disk(source, looking), chunk_seconds=chunk_seconds)

    async def do(self, step: Step, params: AnalyzeParams, shop: Workshop) -> Json:
        kind = step.name.partition("-")[0]
        if kind == "index":
            return await write_index(shop, params.start, params.keyframes)
        if kind == "write":
            return await _write(params, shop)
        span = step.args["from"], step.args["to"]
        if kind == "signals":
            return await _watch(step, params, shop, span)
        looking = _looking(params, _sampling(shop.sources[0], params))
        assert looking is not None, "only then there are such steps"
        looking = replace(looking, threads=int(step.args.get("threads", 2)))
        return await looking.look(shop, shop.results["index"], span, shop.file(f"{step.name}.ndjson"))

    def summary_of(self, params: AnalyzeParams, results: Sequence[Json]) -> dict[str, Any]:
        """Frames and labels, cuts and spans; times in seconds."""
        found: dict[str, Any] = {}
        if params.task is not None:
            tallies = [one for one in results if "framesWithDetections" in one]
            found = {"task": params.task, **total(tallies).as_dict()}
        return {**found, **_signals_of(params, [one for one in results if "signals" in one])}


def _sampling(source: Source, params: AnalyzeParams) -> Sampling:
    """Return which frames are looked at.

    Raises:
        UnsupportedMedia: it is no video.
        InvalidParameter: they contradict each other, or lie outside the video.
    """
    if source.is_picture:
        raise UnsupportedMedia("input: analyze takes a video; for pictures there is batch.")
    video, end = source.video, params.end
    if sum((params.sample_fps is not None, params.every_nth_frame is not None, params.keyframes)) > 1:
        raise InvalidParameter("Say one of sampleFps, everyNthFrame and keyframes.")
    duration = source.duration_seconds
    if params.start >= duration or (end is not None and end <= params.start):
        raise InvalidParameter(f"start, end: they lie within the video, which lasts {duration:.3f} s, in this order.")
    if end is not None and end > duration + 1:
        raise InvalidParameter(f"end: the video lasts {duration:.3f} s.")
    end = duration if end is None else min(end, duration)
    if params.every_nth_frame is not None:
        return Sampling("every", params.every_nth_frame, params.start, end)
    if params.keyframes:
        return Sampling("keyframes", 0, params.start, end)
    most = video.frame_rate or 240.0
    return Sampling("rate", min(params.sample_fps or 5.0, most), params.start, end)


def _looking(params: AnalyzeParams, sampling: Sampling) -> Looking | None:
    extra = params.model_extra or {}
    if params.task is None:
        if extra:
            raise InvalidParameter(f"{next(iter(extra))[:40]}: there is no such parameter without a task.")
        return None
    task, own = chosen_task(params.task, extra)
    return Looking(task, own, sampling)


def _check_signals(source: Source, params: AnalyzeParams, means: Means) -> None:
    missing = [signals.FILTERS[name] for name in params.signals if signals.FILTERS[name] not in means.abilities.filters]
    if missing:
        raise InvalidParameter(f"This machine's ffmpeg has no filter {', '.join(missing)}.")
    if params.silence and source.audio is None:
        raise InvalidParameter("silence: the video has no sound.")


def _steps(name: str, words: str, spans: Sequence[tuple[float, float]], more: Mapping[str, int]) -> list[Step]:
    return [
        Step(
            f"{name}-{number:04d}",
            f"{words} part {number} of {len(spans)}",
            weight=max(0.1, end - start),
            args={"from": start, "to": end, **more},
        )
        for number, (start, end) in enumerate(spans, 1)
    ]


def _equal(start: float, end: float, length: float) -> list[tuple[float, float]]:
    count = max(1, round((end - start) / length))
    edges = [start + (end - start) * number / count for number in range(count + 1)]
    return list(pairwise(edges))


def _predicted(source: Source, looking: Looking | None, threads: int) -> int:
    """Return what one step reserves at most: ffmpeg, and the child that looks."""
    watching = int(signals.signals_bytes(source.video) * MARGIN)
    if looking is None:
        return watching
    return max(watching, look_bytes(source.video, _BOX, threads, looking.task) + CALL_BYTES)


def _disk(source: Source, looking: Looking | None) -> int:
    """Return what the files take: lines in parts, and joined."""
    video = source.video
    frames = source.duration_seconds * (video.frame_rate or 60.0)
    if looking is None:
        return int(frames * FRAME_BYTES) + MIB
    sampling = looking.sampling
    samples = (sampling.end - sampling.start) * sampling.samples_a_second(video)
    line_bytes = _LONG_LINES.get(looking.task.name, _LINE_BYTES)
    return int(2 * samples * line_bytes + frames * FRAME_BYTES) + MIB


def _ends(source: Source, shop: Workshop) -> signals.Ends:
    audio, index = source.audio, shop.results.get("index", {})
    known = None if audio is None else audio.duration_seconds
    sound = None if audio is None or known is None else audio.late_seconds + known
    return signals.Ends(index.get("end"), sound)


async def _watch(step: Step, params: AnalyzeParams, shop: Workshop, span: tuple[float, float]) -> Json:
    source, wanted = shop.sources[0], params.signals
    files = {key: shop.file(f"{step.name}.{key}.part") for key in chain(*(signals.KEYS[name] for name in wanted))}
    async with shop.local(source) as path:
        watched = signals.Watched(path, source.item.content_type, source.video, _ends(source, shop))
        work = signals.signals_work(watched, wanted, span, files)
        await shop.ffmpeg.run(work, shop.progress)
    found = {key: signals.readings(await shop.files.text(path), key, span) for key, path in files.items()}
    await shop.files.remove(files.values())
    return {"signals": signals.told(found, span)}


async def _write(params: AnalyzeParams, shop: Workshop) -> Json:
    """Join the parts into the result; without a task its lines are the events."""
    path, parts = shop.file("analysis.ndjson"), [name for name in shop.results if name.startswith("look-")]
    files = [shop.file(f"{name}.ndjson") for name in sorted(parts)]
    if params.task is None:
        found = _signals_of(params, [one for _, one in sorted(shop.results.items()) if "signals" in one])
        async with shop.files.part(path) as file:
            await file.write(_event_lines(found))
    else:
        await shop.files.join(files, path)
    await shop.keep(path, "analysis.ndjson", NDJSON)
    return {}


def _signals_of(params: AnalyzeParams, parts: Sequence[Json]) -> dict[str, Any]:
    return signals.summed([one["signals"] for one in parts], params.signals)


def _event_lines(found: Mapping[str, Any]) -> bytes:
    events: list[dict[str, Any]] = [{"timeSeconds": time, "event": "sceneCut"} for time in found.get("sceneCuts", ())]
    for name, event in (("blackSpans", "black"), ("silentSpans", "silence")):
        events += [
            {"timeSeconds": span["start"], "event": event, "endSeconds": span["end"]} for span in found.get(name, ())
        ]
    events.sort(key=lambda one: one["timeSeconds"])
    return b"".join(json.dumps(one, separators=(",", ":")).encode() + b"\n" for one in events)
