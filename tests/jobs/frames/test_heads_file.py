"""Faces are searched in the frames that are covered: in every part of a video, in every container."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.ffmpeg.cutting import chunks
from app.jobs.frames.heads_file import Search, find_heads
from tests.jobs.frames.grey_looks import grey_bench, numbered_in


@pytest.mark.parametrize("container", ["mp4", "ts", "flv", "avi", "mpg", "wmv", "ogv"])
async def test_each_part_is_searched_from_its_first_frame_on(tmp_path: Path, container: str) -> None:
    clip = numbered_in(tmp_path / f"a.{container}", 4)
    opened = await grey_bench(tmp_path, clip)
    listed = await opened.ffmpeg.frames(clip, opened.sources[0].item.content_type)
    spans = chunks(listed.times, listed.keyframes, listed.times[-1] + 0.04, 3)
    assert len(spans) == 3

    seen = []
    for place, span in enumerate(spans):
        target = opened.file(f"heads-{place}")
        await find_heads(opened, span, 25.0, Search(), target)
        seen += [int(line) for line in target.read_text().splitlines()]

    assert seen == list(range(len(seen)))
    assert len(seen) >= 99
