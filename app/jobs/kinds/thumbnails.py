"""`thumbnails`: pictures of a video at certain times, a contact sheet of them, and a sprite for players."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any, ClassVar, Literal

from pydantic import Field

from app.errors import InvalidParameter
from app.ffmpeg.running import MARGIN
from app.ffmpeg.sheets import webvtt
from app.ffmpeg.stills import STILL_FORMATS, StillFormat, available_stills, most_still_bytes
from app.jobs.frames.frame_list import list_frames
from app.jobs.frames.moments import MOST, Moments
from app.jobs.kind import JobKind
from app.jobs.outputs.sheet_making import ContactSheet, Sprite
from app.jobs.outputs.still_taking import Look, StillTaker, look_of, numbered
from app.jobs.params import JobParams
from app.jobs.plan import Json, Plan, Step
from app.jobs.source import Source
from app.jobs.workshop import Means, Workshop

_AT_A_TIME = 20
"""Pictures of one step: what a crash costs."""


class ThumbnailParams(JobParams):
    count: int | None = Field(None, ge=1, le=MOST, description="So many, evenly spread; 10 where nothing is asked for.")
    interval: float | None = Field(None, ge=0.01, le=1e6, description="One each so many seconds, from the beginning.")
    at: list[float] | None = Field(None, min_length=1, max_length=MOST, description="At these times, in seconds.")
    width: int = Field(320, ge=2, le=4096, description="In pixels; the height follows. Nothing is enlarged.")
    format: Literal["jpeg", "png", "webp"] = "jpeg"
    sheet: bool = Field(False, description="Also a contact sheet of them.")
    sprite: bool = Field(False, description="Also small pictures side by side and a WebVTT track, for players.")


class Thumbnails(JobKind[ThumbnailParams]):
    name: ClassVar[str] = "thumbnails"
    summary: ClassVar[str] = "Pictures of a video, a contact sheet, and a sprite with WebVTT for players."
    params = ThumbnailParams

    def plan(self, sources: Sequence[Source], params: ThumbnailParams, means: Means) -> Plan:
        source = sources[0]
        video, there = source.video, available_stills(means.abilities)
        if params.format not in there:
            raise InvalidParameter(
                f"format: this machine's ffmpeg cannot write {params.format}, only {', '.join(there) or 'nothing'}.",
                available=there,
            )
        moments, duration = _moments(source, params), _duration(source)
        look = _look(source, params)
        cost = look.cost_bytes(video)
        disk_bytes = 2 * len(moments.times) * most_still_bytes(look.pixels)
        steps = _picture_steps(moments, moments.seeks(video, duration), duration)
        if params.sheet:
            sheet = ContactSheet.of(len(moments.times), look)
            steps.append(Step("sheet", "putting the contact sheet together", 1.0))
            cost = max(cost, sheet.cost_bytes)
            disk_bytes += most_still_bytes(sheet.grid.pixels)
        if params.sprite:
            sprite = _sprite(source, params)
            steps.append(Step("sprite", "making the sprite", max(1.0, duration / 20)))
            cost = max(cost, sprite.cost_bytes(video))
            disk_bytes += sprite.sheets * most_still_bytes(sprite.grid.pixels)
        return Plan(steps, int(cost * MARGIN), disk_bytes)

    async def do(self, step: Step, params: ThumbnailParams, shop: Workshop) -> Json:
        if step.name == "sheet":
            return await _make_sheet(params, shop)
        if step.name == "sprite":
            return await _make_sprite(params, shop)
        return await _take(step, params, shop)

    def summary_of(self, params: ThumbnailParams, results: Sequence[Json]) -> dict[str, Any]:  # noqa: ARG002
        found: dict[str, Any] = {"pictures": [one for result in results for one in result.get("pictures", ())]}
        for result in results:
            found.update({name: result[name] for name in ("sheet", "sprite") if name in result})
        return {"count": len(found["pictures"]), "width": results[0]["width"], "height": results[0]["height"], **found}


def _duration(source: Source) -> float:
    return source.video.duration_seconds or source.duration_seconds


def _moments(source: Source, params: ThumbnailParams) -> Moments:
    """Return when pictures are taken.

    Raises:
        InvalidParameter: that is said twice, or does not fit the video.
    """
    asked = [name for name in ("count", "interval", "at") if getattr(params, name) is not None]
    if len(asked) > 1:
        raise InvalidParameter(f"{asked[0]}, {asked[1]}: give one of count, interval and at.")
    duration = _duration(source)
    if params.at is not None:
        return Moments.at(params.at, duration)
    if params.interval is not None:
        return Moments.each(params.interval, duration)
    return Moments.spread(params.count or 10, duration)


def _look(source: Source, params: ThumbnailParams) -> Look:
    return look_of(source.video, params.width, STILL_FORMATS[params.format])


def _picture_steps(moments: Moments, seeks: bool, duration: float) -> list[Step]:
    if not seeks:
        return [Step("pictures", "taking pictures in one pass", max(1.0, duration / 10), {"first": 0})]
    count = len(moments.times)
    return [
        Step(
            f"pictures-{first // _AT_A_TIME + 1}",
            f"taking pictures {first + 1} to {min(count, first + _AT_A_TIME)} of {count}",
            0.3 * min(_AT_A_TIME, count - first),
            {"first": first, "seeks": True},
        )
        for first in range(0, count, _AT_A_TIME)
    ]


def _sprite(source: Source, params: ThumbnailParams) -> Sprite:
    return Sprite.of(source.video, _duration(source), params.interval, STILL_FORMATS[params.format])


async def _take(step: Step, params: ThumbnailParams, shop: Workshop) -> Json:
    source, moments, look = shop.sources[0], _moments(shop.sources[0], params), _look(shop.sources[0], params)
    folder = shop.file("pictures")
    await shop.files.make_folder(folder)
    first = step.args["first"]
    async with shop.local(source) as path:
        taker = StillTaker(shop, source, path, look)
        times = moments.times[first : first + _AT_A_TIME] if step.args.get("seeks") else moments.times
        if step.args.get("seeks"):
            for done, at in enumerate(times):
                await taker.seek(at, numbered(folder, first + done + 1, look.format))
                await shop.progress((done + 1) / len(times))
        else:
            await taker.sweep(moments, folder)
    pictures = []
    for number, at in enumerate(times, first + 1):
        kept = await _keep_copy(shop, numbered(folder, number, look.format), _name(source, at, look.format), look)
        pictures.append({"id": kept, "atSeconds": at})
    return {"pictures": pictures, "width": look.width, "height": look.height, "peakBytes": taker.peak_bytes}


def _name(source: Source, at: float, chosen: StillFormat) -> str:
    milliseconds = round(at * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    clock = f"{minutes // 60:02d}-{minutes % 60:02d}-{rest // 1000:02d}.{rest % 1000:03d}"
    return f"{PurePath(source.item.name).stem}-{clock}{chosen.extension}"


async def _keep_copy(shop: Workshop, path: Path, name: str, look: Look) -> str:
    """Keep a picture, and leave it in the folder as well: a sheet may be made of it."""
    copy = path.with_name(f"kept-{path.name}")
    await shop.files.link(path, copy)
    return await shop.keep(copy, name, look.format.content_type)


async def _make_sheet(params: ThumbnailParams, shop: Workshop) -> Json:
    source = shop.sources[0]
    sheet = ContactSheet.of(len(_moments(source, params).times), _look(source, params))
    target = shop.file(f"sheet{sheet.format.extension}")
    report = await shop.ffmpeg.run(sheet.work(shop.file("pictures"), target), shop.progress)
    name = f"{PurePath(source.item.name).stem}-sheet{sheet.format.extension}"
    kept = await shop.keep(target, name, sheet.format.content_type)
    return {"sheet": {"id": kept, **sheet.grid.document()}, "peakBytes": report.peak_bytes}


async def _make_sprite(params: ThumbnailParams, shop: Workshop) -> Json:
    source, sprite = shop.sources[0], _sprite(shop.sources[0], params)
    folder = shop.file("sprite")
    await shop.files.clear(folder)
    async with shop.local(source) as path:
        keyframes = (await list_frames(shop, source, path)).keyframes
        work = sprite.work(source, path, folder, sprite.is_dense(keyframes, _duration(source)))
        report = await shop.ffmpeg.run(work, shop.progress)
    stem = PurePath(source.item.name).stem
    ids = [
        await shop.keep(
            numbered(folder, number, sprite.format),
            f"{stem}-sprite-{number}{sprite.format.extension}",
            sprite.format.content_type,
        )
        for number in range(1, sprite.sheets + 1)
    ]
    track = folder / "sprite.vtt"
    text = webvtt(sprite.cues(_duration(source)), sprite.grid, [f"../{one}/content" for one in ids])
    await shop.files.run(track.write_text, text)
    kept = await shop.keep(track, f"{stem}-sprite.vtt", "text/vtt")
    told = {"track": kept, "sheets": ids, "tiles": sprite.count, "interval": sprite.step, **sprite.grid.document()}
    return {"sprite": told, "peakBytes": report.peak_bytes}
