"""What jobs need beside their inputs, in the real house."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from app.bootstrap import House, open_house
from app.errors import BallastError, Conflict, InvalidMedia, InvalidParameter, PayloadTooLarge, TooManyPixels
from app.jobs.job import Job
from app.jobs.order_form import OrderForm
from app.settings import Settings
from tests.e2e.jobs import clip
from tests.ffmpeg.clips import make
from tests.memory.gauges import FakeGauge
from tests.samples import png

pytestmark = pytest.mark.timeout(60)


@asynccontextmanager
async def house(folder: Path, **video: float) -> AsyncIterator[House]:
    """Give a house that takes jobs in and does none, so that they are unfinished; `video`: its limits."""
    settings = Settings.model_validate(
        {
            "storage": {"root": folder / "var", "allow_tmpfs": True, "free_floor": 0},
            "jobs": {"run": False},
            "video": video,
            "image": {"presets": {"marked": "watermark=" + "0" * 22}},
        }
    )
    async with open_house(settings, gauge=FakeGauge(limit_bytes=1 << 30).as_gauge) as opened:
        yield opened


async def _store(opened: House, data: bytes, name: str) -> str:
    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return (await opened.media.uploads.receive(chunks(), name, None)).id


async def _submit(opened: House, media_id: str, **params: object) -> Job:
    form = OrderForm.model_validate({"kind": "batch", "input": media_id, "params": params})
    return await opened.jobs.submissions.submit(form, "client")


async def test_a_watermark_cannot_be_deleted_until_its_job_is_finished_and_is_none_of_its_inputs(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as opened:
        picture, mark = [await _store(opened, png(30, 20), name) for name in ("a.png", "mark.png")]
        job = await _submit(opened, picture, watermark=mark)
        with pytest.raises(Conflict):
            await opened.core.store.delete(mark)

        await opened.jobs.desk.cancel(job.id)
        await opened.core.store.delete(mark)

    assert (job.inputs, job.input_count) == ((picture,), 1)


async def test_a_watermark_that_is_not_there_or_no_picture_is_refused_at_submit(tmp_path: Path) -> None:
    async with house(tmp_path) as opened:
        picture, video = await _store(opened, png(30, 20), "a.png"), await _store(opened, clip(), "a.mp4")
        for params, words in (
            ({"watermark": "0" * 22}, "there is no stored picture"),
            ({"preset": "marked"}, "there is no stored picture"),
            ({"watermark": video}, "not a picture"),
        ):
            with pytest.raises(InvalidParameter, match=f"watermark: .*{words}") as refused:
                await _submit(opened, picture, **params)
            errors = cast("list[dict[str, object]]", refused.value.extra["errors"])
            assert [one["where"] for one in errors] == [["params", "watermark"]]

        assert (await opened.jobs.desk.page(10, None, None, None)).jobs == ()


@pytest.mark.parametrize(
    ("limits", "problem", "named"),
    [
        ({"max_seconds": 0.5}, PayloadTooLarge, {"maxSeconds": 0.5}),
        ({"max_pixels": 160 * 90 - 1}, TooManyPixels, {"maxPixels": 160 * 90 - 1}),
        ({"max_fps": 24.0}, InvalidMedia, {"maxFps": 24.0}),
        ({"max_pixels_per_second": 160 * 90 * 25 - 1}, TooManyPixels, {"maxPixelsPerSecond": 160 * 90 * 25 - 1}),
    ],
)
async def test_a_video_beyond_a_limit_is_refused_at_submit_and_one_at_it_is_taken(
    tmp_path: Path, limits: dict[str, float], problem: type[BallastError], named: dict[str, float]
) -> None:
    ((name, limit),) = limits.items()
    form = {"kind": "transcode", "params": {}}
    async with house(tmp_path / "beyond", **limits) as opened:
        video = await _store(opened, clip(), "a.mp4")
        with pytest.raises(problem) as refused:
            await opened.jobs.submissions.submit(OrderForm.model_validate({**form, "input": video}), "client")
        (foreseen,) = await opened.jobs.submissions.predict([opened.jobs.submissions.kind("transcode")], video, "")
        left = (await opened.jobs.desk.page(10, None, None, None)).jobs, opened.core.store.usage().reserved_bytes
        await opened.core.store.delete(video)

    assert refused.value.extra == named
    assert type(foreseen) is problem
    assert left == ((), 0)
    async with house(tmp_path / "at", **{name: limit + (1.0 if name == "max_fps" else 1)}) as opened:
        video = await _store(opened, clip(), "a.mp4")
        await opened.jobs.submissions.submit(OrderForm.model_validate({**form, "input": video}), "client")


async def test_a_video_of_a_thousand_frames_a_second_is_refused_at_submit(tmp_path: Path) -> None:
    fast = make(tmp_path / "fast.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=1000:d=0.2")
    async with house(tmp_path) as opened:
        video = await _store(opened, fast.read_bytes(), "fast.mp4")
        form = OrderForm.model_validate({"kind": "transcode", "input": video})

        with pytest.raises(InvalidMedia, match="1000 frames a second; a job takes at most 240"):
            await opened.jobs.submissions.submit(form, "client")
