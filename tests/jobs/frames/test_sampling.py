"""A sample is the frame that is shown at its time, in every container, whatever part of the video it is in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.jobs.frames import sampling
from app.jobs.kinds.analyze import Analyze
from tests.jobs.frames.grey_looks import grey_bench, numbered_in

CONTAINERS = ("mp4", "ts", "flv", "avi", "mpg", "wmv", "ogv", "mkv")


@pytest.fixture(autouse=True)
def _short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "SEGMENT_SECONDS", 0.7)
    monkeypatch.setattr(sampling, "KEYFRAME_SEGMENT_SECONDS", 1.9)


async def lines_of(folder: Path, path: Path, **wanted: Any) -> list[dict[str, Any]]:
    opened = await grey_bench(folder, path)
    await opened.do_all(Analyze(), task="face-detection", **wanted)
    assert opened.plan is not None
    assert sum(step.name.startswith("look-") for step in opened.plan.steps) >= 2
    return [json.loads(line) for line in opened.kept[0].path.read_text().splitlines()]


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("wanted", [{"sampleFps": 10}, {"everyNthFrame": 3}, {"everyNthFrame": 1}, {"keyframes": True}])
async def test_what_is_seen_is_the_frame_that_is_told(tmp_path: Path, container: str, wanted: dict[str, Any]) -> None:
    clip = numbered_in(tmp_path / f"a.{container}", 4)

    lines = await lines_of(tmp_path, clip, **wanted)

    seen, told = [line["detections"] for line in lines], [line["frame"] for line in lines]
    # Where key frames of a program stream are shown is not always written there: they come before frames that are
    # shown before them.
    early = 2 if (container, wanted) == ("mpg", {"keyframes": True}) else 0
    assert told == pytest.approx(seen, abs=early)
    assert len(seen) >= {"sampleFps": 39, "everyNthFrame": 33, "keyframes": 3}[next(iter(wanted))]


@pytest.mark.parametrize("container", ["ts", "flv", "avi", "mpg"])
async def test_other_containers_tell_what_mp4_tells(tmp_path: Path, container: str) -> None:
    clips = [numbered_in(tmp_path / f"a.{one}", 4) for one in ("mp4", container)]

    expected, found = [await lines_of(tmp_path, clip, sampleFps=12.5, start=0.32, end=3.2) for clip in clips]

    assert [line["detections"] for line in found] == [line["detections"] for line in expected]
    assert len(found) == 36
