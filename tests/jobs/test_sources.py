"""What jobs need beside their inputs, in the real house."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from app.bootstrap import House, open_house
from app.errors import Conflict, InvalidParameter
from app.jobs.job import Job
from app.jobs.order_form import OrderForm
from app.settings import Settings
from tests.e2e.jobs import clip
from tests.memory.gauges import FakeGauge
from tests.samples import png

pytestmark = pytest.mark.timeout(60)


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[House]:
    """Give a house that takes jobs in and does none, so that they are unfinished."""
    settings = Settings.model_validate(
        {
            "storage": {"root": folder / "var", "allow_tmpfs": True, "free_floor": 0},
            "jobs": {"run": False},
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
