"""`batch`: many pictures through image parameters, or through a vision task."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

from app.bootstrap import House
from app.errors import InvalidParameter, UnsupportedMedia
from app.images.presets import Presets
from app.images.rendered import ImageFacts
from app.images.transform import Transform
from app.jobs.frames.pictures import PictureWorks
from app.jobs.kinds import batch as batch_kind
from app.jobs.kinds.batch import Batch
from app.jobs.source import Source
from tests.ffmpeg.clips import make
from tests.jobs.bench import Bench, bench
from tests.jobs.looks import looking_bench
from tests.media_files import media_folder


def pictures_in(folder: Path, count: int, broken: int | None = None) -> list[Path]:
    """Make pictures of 64x48; one of them has no more than its header."""
    paths = [folder / f"p{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.effect_noise((64, 48), 40 + number).convert("RGB").save(path)
    if broken is not None:
        paths[broken].write_bytes(paths[broken].read_bytes()[:60])
    return paths


async def stored(opened: Bench, house: House, paths: list[Path]) -> None:
    """Put the inputs into the house's store: pictures are read from there."""

    async def chunks(data: bytes) -> AsyncIterator[bytes]:
        yield data

    uploads = house.media.uploads
    items = [await uploads.receive(chunks(read(path)), path.name, None) for path in paths]
    opened.sources = [Source(item) for item in items]


def read(path: Path) -> bytes:
    return path.read_bytes()


def lines_of(opened: Bench) -> list[dict[str, Any]]:
    kept = next(one for one in opened.kept if one.name == "batch.ndjson")
    assert kept.content_type == "application/x-ndjson"
    return [json.loads(line) for line in kept.path.read_text().splitlines()]


async def test_each_picture_becomes_an_item_and_a_line_and_a_broken_one_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_kind, "_PICTURES_A_STEP", 3)
    paths = pictures_in(tmp_path, 5, broken=1)

    async with looking_bench(tmp_path) as (opened, house):
        await stored(opened, house, paths)
        summary = await opened.do_all(Batch(), width=32, format="webp")

    lines = lines_of(opened)
    assert [line["index"] for line in lines] == [0, 1, 2, 3, 4]
    assert [line["id"] for line in lines] == [source.item.id for source in opened.sources]
    assert lines[1]["problem"]["code"] == "invalid_media"
    results = [line["result"] for line in lines if "result" in line]
    assert [(one["width"], one["height"], one["contentType"]) for one in results] == [(32, 24, "image/webp")] * 4
    assert [one.name for one in opened.kept[:-1]] == [f"p{number}-{number + 1}.webp" for number in (0, 2, 3, 4)]
    for one in opened.kept[:-1]:
        with Image.open(one.path) as image:
            assert (image.format, image.size) == ("WEBP", (32, 24))
    assert summary == {"pictures": 5, "succeeded": 4, "failed": 1, "problems": {"invalid_media": 1}}


async def test_results_are_in_the_order_of_the_inputs_whatever_is_done_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    render, second_is_done = PictureWorks.render, asyncio.Event()

    async def slow_at_first(
        self: PictureWorks, source: Source, transform: Transform, path: Path, client: str
    ) -> ImageFacts:
        facts = await render(self, source, transform, path, client)
        if source.item.name == "p0.png":
            await second_is_done.wait()
        second_is_done.set()
        return facts

    async with looking_bench(tmp_path) as (opened, house):
        await stored(opened, house, pictures_in(tmp_path, 2))
        with monkeypatch.context() as patched:
            patched.setattr(PictureWorks, "render", slow_at_first)
            await opened.do_all(Batch(), width=32, format="webp")

    assert [one.name for one in opened.kept] == ["p0-1.webp", "p1-2.webp", "batch.ndjson"]


async def test_a_preset_stands_for_its_parameters_and_others_override_it(tmp_path: Path) -> None:
    async with looking_bench(tmp_path) as (opened, house):
        opened.presets = Presets({"small": "width=32&format=webp&store=true&name=x"})
        await stored(opened, house, pictures_in(tmp_path, 1))
        await opened.do_all(Batch(), preset="small")
        await opened.do_all(Batch(), preset="small", width=16)

    sizes = [(line["result"]["width"], line["result"]["contentType"]) for line in lines_of(opened)]
    assert sizes == [(16, "image/webp")]
    assert opened.plan is not None
    assert opened.plan.steps[0].args["params"] == {"width": 16, "format": "webp"}


async def test_a_preset_that_is_gone_when_a_step_is_done_is_still_what_was_asked_for(tmp_path: Path) -> None:
    async with looking_bench(tmp_path) as (opened, house):
        opened.presets = Presets({"small": "width=32&format=webp"})
        await stored(opened, house, pictures_in(tmp_path, 1))
        asked = Batch.params.model_validate({"preset": "small"})
        first, last = Batch().plan(opened.sources, asked, opened.means).steps
        opened.presets = Presets({})
        opened.results = {first.name: await Batch().do(first, asked, opened)}
        await Batch().do(last, asked, opened)

    (line,) = lines_of(opened)
    assert (line["result"]["width"], line["result"]["contentType"]) == (32, "image/webp")


async def test_a_watermark_is_laid_on_every_picture(tmp_path: Path) -> None:
    mark = tmp_path / "mark.png"
    Image.new("RGB", (8, 8), (255, 0, 0)).save(mark)

    async with looking_bench(tmp_path) as (opened, house):
        await stored(opened, house, [mark])
        mark_id = opened.sources[0].item.id
        await stored(opened, house, pictures_in(tmp_path, 2))
        wanted = {"watermark": mark_id, "watermarkOpacity": 1, "watermarkPosition": "center", "format": "png"}
        await opened.do_all(Batch(), **wanted)

    assert opened.plan is not None
    assert opened.plan.needs == {"watermark": mark_id}
    for one in opened.kept[:-1]:
        with Image.open(one.path) as image:
            assert image.getpixel((32, 24)) == (255, 0, 0)


@pytest.mark.photo
@pytest.mark.model
async def test_a_task_tells_what_it_finds_in_each_picture(tmp_path: Path) -> None:
    paths = [tmp_path / "hand.jpg", *pictures_in(tmp_path, 1)]
    shutil.copy(media_folder() / "thumb_up.jpg", paths[0])

    async with looking_bench(tmp_path) as (opened, house):
        await stored(opened, house, paths)
        summary = await opened.do_all(Batch(), task="gestures", maxHands=1)

    found = [line["result"]["detections"] for line in lines_of(opened)]
    assert [len(one) for one in found] == [1, 0]
    assert summary["picturesWithDetections"] == 1
    assert summary["labels"]["gesture"] == {"Thumb_Up": 1}


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ({}, "task"),
        ({"task": "teeth"}, "teeth"),
        ({"task": "hands", "width": 3}, "width"),
        ({"width": -1}, "width"),
        ({"widht": 20}, "widht"),
        ({"watermark": "x"}, "watermark"),
        ({"preset": "nothing"}, "preset"),
        ({"preset": "nothing", "task": "hands"}, "preset"),
    ],
)
async def test_what_cannot_be_done_is_refused_at_submit(tmp_path: Path, wanted: dict[str, Any], name: str) -> None:
    opened = await bench(tmp_path, *pictures_in(tmp_path, 1))

    with pytest.raises(InvalidParameter, match=name) as refused:
        Batch().plan(opened.sources, Batch.params.model_validate(wanted), opened.means)

    errors = cast("list[dict[str, Any]]", refused.value.extra.get("errors", []))
    assert [one["where"] for one in errors] in ([], [["params", name]])


async def test_a_video_is_no_picture_of_a_batch(tmp_path: Path) -> None:
    clip = make(tmp_path / "a.mp4", "-f", "lavfi", "-i", "testsrc2=s=64x48:d=0.2")
    opened = await bench(tmp_path, clip)

    with pytest.raises(UnsupportedMedia, match="no picture"):
        Batch().plan(opened.sources, Batch.params.model_validate({"width": 20}), opened.means)
