"""Media whose streams begin or end at other times, or whose containers have no index, are no other media for jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.ffmpeg import cutting
from app.jobs.kinds.timelapse import Timelapse
from tests.ffmpeg.numbered import numbers
from tests.jobs.bench import bench
from tests.jobs.frames.grey_looks import numbered_in


@pytest.mark.parametrize("container", ["mp4", "ts", "flv", "avi", "mpg"])
async def test_a_video_goes_on_from_part_to_part_in_every_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, container: str
) -> None:
    monkeypatch.setattr(cutting, "MIN_CHUNK_SECONDS", 1.3)
    opened = await bench(tmp_path, numbered_in(tmp_path / f"a.{container}", 4))

    await opened.do_all(Timelapse(), speed=2, quality=95)

    assert len([name for name in opened.results if name.startswith("part-")]) >= 2
    seen = numbers(opened.kept[0].path)
    assert len(seen) == pytest.approx(50, abs=1), "containers count the length of a video in their own ways"
    assert seen[:49] == pytest.approx([2 * number for number in range(49)], abs=1)
