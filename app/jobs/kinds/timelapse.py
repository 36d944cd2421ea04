"""`timelapse`: pictures one after the other, or a video shown faster, as one video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from app.errors import InvalidMedia, InvalidParameter
from app.ffmpeg.abilities import Abilities
from app.ffmpeg.cutting import chunk_count
from app.ffmpeg.parts import Look, check_size, fit, video_bytes
from app.ffmpeg.timelapse import (
    MOST_MIXED,
    Between,
    Film,
    Pace,
    Stretch,
    Timing,
    film_bytes,
    film_work,
    sequence_bytes,
    sequence_work,
)
from app.jobs.frames.frame_list import list_frames
from app.jobs.kind import JobKind
from app.jobs.outputs.encoding import encoder_for, planned
from app.jobs.outputs.picture_sequence import PictureSequence
from app.jobs.outputs.stretches import encode_stretch, join_stretches
from app.jobs.params import JobParams
from app.jobs.plan import Json, Plan, Step
from app.jobs.source import Source
from app.jobs.workshop import Means, Workshop

_PICTURES_A_STEP, _PICTURES_A_PART = 40, 250
_PICTURE_SECONDS = 0.15
_PIXEL_BYTES = 0.6
"""What a JPEG of quality 92 takes of each pixel, and some."""

_UNKNOWN_SIZE = (1280, 720)


def _without_quotes(value: object) -> object:
    """Take the word `false` for false: the other two values are words."""
    return False if value == "false" else value


class TimelapseParams(JobParams):
    speed: float | None = Field(None, ge=0.1, le=10_000, description="Of a video: how many times as fast; 10 if unset.")
    frame_rate: float = Field(25.0, ge=1, le=120, description="Frames a second of the result.")
    frames_per_picture: int | None = Field(
        None, ge=1, le=120, description="How long each picture is shown; unset: 1, with interpolation 2 (one between)."
    )
    max_height: int = Field(1080, ge=16, le=4320, description="The result is no higher than this.")
    interpolate: Annotated[Literal[False, "blend", "motion"], BeforeValidator(_without_quotes)] = Field(
        False, description="What is shown between two pictures: nothing, both faded, or what lies between."
    )
    missing: Literal["skip", "hold"] = Field(
        "skip", description="Pictures that are missing or broken: left out, or the one before is shown instead."
    )
    quality: int = Field(66, ge=1, le=100, description="Of the pictures; 66 is hardly told from the source.")

    @property
    def between(self) -> Between:
        return Between(self.interpolate) if self.interpolate else Between.NOTHING

    @property
    def timing(self) -> Timing:
        each = self.frames_per_picture or (2 if self.interpolate else 1)
        return Timing(self.frame_rate, each, self.between)


class Timelapse(JobKind[TimelapseParams]):
    name: ClassVar[str] = "timelapse"
    summary: ClassVar[str] = "Many pictures one after the other, or a video shown faster, as one video."
    max_inputs: ClassVar[int] = 5000
    goes_on_without: ClassVar[bool] = True
    params = TimelapseParams

    def plan(self, sources: Sequence[Source], params: TimelapseParams, means: Means) -> Plan:
        look = _look(sources, params, means.abilities)
        join = Step("join", "joining the parts", 1.0)
        if not _is_film(sources):
            steps = [*_picture_steps(len(sources), params.timing), join]
            disk = int(2 * len(sources) * look.width * look.height * _PIXEL_BYTES)
            disk += 2 * _result_bytes(look, params, params.timing.frames(len(sources)))
            return planned(steps, lambda rung: sequence_bytes(look, params.timing, rung.profile), means, disk)
        film, pace = _film(sources[0], Path("/")), _pace(sources[0], params)
        frames = pace.frames(film.seconds)
        count = chunk_count(film.seconds, None)
        steps = [Step("look", "finding the key frames", film.seconds / 100 + 0.1)]
        steps += [
            Step(f"part-{place + 1:04}", f"encoding part {place + 1} of {count}", film.seconds / count, _span(place))
            for place in range(count)
        ]
        disk = 2 * _result_bytes(look, params, frames)
        return planned(
            [*steps, join],
            lambda rung: film_bytes(film, pace, look, rung.profile),
            means,
            disk,
            film.seconds / count,
        )

    async def do(self, step: Step, params: TimelapseParams, shop: Workshop) -> Json:
        look = _look(shop.sources, params, shop.ffmpeg.abilities)
        if step.name == "join":
            return await join_stretches(look, params.frame_rate, shop)
        if _is_film(shop.sources):
            return await _film_step(step, look, params, shop)
        sequence = PictureSequence(shop, look)
        if step.name.startswith("pictures"):
            first = int(step.args["first"])
            return {"broken": await sequence.render(first, shop.sources[first : first + _PICTURES_A_STEP])}
        if step.name == "order":
            return await _order(sequence, params, shop)
        return await _stretch(step, look, params, shop)

    def summary_of(self, params: TimelapseParams, results: Sequence[Json]) -> dict[str, Any]:  # noqa: ARG002
        missing = [place for result in results for place in result.get("broken", ())]
        shown = next((result["shown"] for result in results if "shown" in result), None)
        pictures = {} if shown is None else {"pictures": shown, "missing": missing}
        return {**results[-1], **pictures}


def _is_film(sources: Sequence[Source]) -> bool:
    return not sources[0].is_picture


def _look(sources: Sequence[Source], params: TimelapseParams, abilities: Abilities) -> Look:
    """Return what the video is like: as large as the first picture that says how large it is.

    Raises:
        InvalidParameter: the inputs are not of one kind, or parameters do not fit them; there is no encoder.
    """
    if _is_film(sources):
        if len(sources) > 1:
            raise InvalidParameter("input: give one video, or pictures.")
        _pace(sources[0], params)
        size = (sources[0].video.width, sources[0].video.height)
    else:
        for source in sources:
            if not source.is_picture:
                raise InvalidParameter(f"input: {source.item.id} is no picture, and others are.")
        if all(not source.item.size_bytes for source in sources):
            raise InvalidParameter("input: none of these pictures is there.")
        if params.speed is not None:
            raise InvalidParameter("speed: it is for videos; pictures have frameRate and framesPerPicture.")
        details = (source.item.details for source in sources)
        size = next(((one.width, one.height) for one in details if one.width and one.height), _UNKNOWN_SIZE)
    width, height = fit(*size, params.max_height)
    check_size(width, height)
    return Look(encoder_for("h264", abilities), width, height, params.quality)


def _result_bytes(look: Look, params: TimelapseParams, frames: int) -> int:
    return video_bytes(look, frames / params.frame_rate, params.frame_rate)


def _picture_steps(count: int, timing: Timing) -> list[Step]:
    steps = [
        Step(
            f"pictures-{first // _PICTURES_A_STEP + 1:04}",
            f"preparing pictures {first + 1} to {min(count, first + _PICTURES_A_STEP)} of {count}",
            _PICTURE_SECONDS * min(_PICTURES_A_STEP, count - first),
            {"first": first},
        )
        for first in range(0, count, _PICTURES_A_STEP)
    ]
    steps.append(Step("order", "putting them in order", 0.1))
    seconds = _PICTURES_A_PART * timing.frames_each / 25 * (20 if timing.between is Between.MOTION else 1)
    parts = ceil(count / _PICTURES_A_PART)
    return steps + [
        Step(f"part-{place + 1:04}", f"encoding part {place + 1} of {parts}", seconds, {"place": place})
        for place in range(parts)
    ]


def _span(place: int) -> Json:
    return {"place": place}


async def _order(sequence: PictureSequence, params: TimelapseParams, shop: Workshop) -> Json:
    broken = [place for result in shop.results.values() for place in result.get("broken", ())]
    shown = await sequence.number(len(shop.sources), broken, params.missing)
    if not shown:
        raise InvalidMedia("None of the pictures could be read.")
    return {"shown": shown}


async def _stretch(step: Step, look: Look, params: TimelapseParams, shop: Workshop) -> Json:
    total, place = int(shop.results["order"]["shown"]), int(step.args["place"])
    first, end = place * _PICTURES_A_PART, min(total, (place + 1) * _PICTURES_A_PART)
    if first >= end:  # pictures were left out
        return {"frames": 0}
    stretch, folder = Stretch(first, end, total), shop.file("sequence")
    return await encode_stretch(
        step, shop, lambda profile, to: sequence_work(folder, stretch, params.timing, look, profile, to)
    )


def _film(source: Source, path: Path) -> Film:
    return Film(path, source.item.content_type, source.video, source.video.duration_seconds or source.duration_seconds)


def _pace(source: Source, params: TimelapseParams) -> Pace:
    """Return how a video is shown.

    Raises:
        InvalidParameter: that does not go together.
    """
    if params.frames_per_picture is not None:
        raise InvalidParameter("framesPerPicture: it is for pictures; a video has speed.")
    pace = Pace(params.speed or 10.0, params.frame_rate, params.between)
    ratio = pace.ratio(source.video)
    if ratio <= 1 or params.between is Between.NOTHING:
        return pace
    if params.between is Between.MOTION:  # each frame that is due is there: nothing has to be made up
        return replace(pace, between=Between.NOTHING)
    return replace(pace, mixed=max(2, min(MOST_MIXED, round(ratio))))


async def _film_step(step: Step, look: Look, params: TimelapseParams, shop: Workshop) -> Json:
    source = shop.sources[0]
    async with shop.local(source) as path:
        film, pace = _film(source, path), _pace(source, params)
        if step.name == "look":
            keyframes = (await list_frames(shop, source, path)).keyframes
            gaps = [end - start for start, end in pairwise([0.0, *keyframes, film.seconds])]
            return {"onlyKeyframes": pace.mixed == 1 and max(gaps) <= pace.speed / pace.rate / 2}
        pace = replace(pace, only_keyframes=shop.results["look"]["onlyKeyframes"])
        count, frames = chunk_count(film.seconds, None), pace.frames(film.seconds)
        place = int(step.args["place"])
        span = (frames * place // count, frames * (place + 1) // count)
        if span[0] == span[1]:  # so fast that there is less than a frame for each part
            return {"frames": 0}
        return await encode_stretch(step, shop, lambda profile, to: film_work(film, pace, span, look, profile, to))
