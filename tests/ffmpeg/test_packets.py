"""What it takes of the ledger to list the frames of a video."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.units import MIB
from app.ffmpeg.packets import listing_bytes
from tests.ffmpeg.clips import make
from tests.ffmpeg.numbered import numbered
from tests.ffmpeg.rooms import Governor, workroom


@pytest.mark.parametrize(("size_bytes", "mib"), [(0, 64), (14 * 8 * MIB, 72), (50 << 30, 96)])
def test_listing_a_short_video_takes_no_more_than_a_probe_of_it(size_bytes: int, mib: int) -> None:
    assert listing_bytes(size_bytes) == mib * MIB


async def test_a_short_video_is_listed_in_what_was_reserved_for_it(tmp_path: Path) -> None:
    source = numbered(tmp_path / "in.mp4", 1)
    governor = Governor(total_bytes=listing_bytes(source.stat().st_size))

    listed = await workroom(governor).frames(source, "video/mp4")

    assert len(listed.times) == 30
    assert governor.budget.statistics().reserved_bytes == 0


async def test_frames_of_a_program_stream_are_a_frame_apart_though_not_all_say_when_they_are_shown(
    tmp_path: Path,
) -> None:
    picture = ("-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=2")
    source = make(tmp_path / "in.mpg", *picture, "-c:v", "mpeg2video", "-bf", "2", "-g", "12")

    listed = await workroom(Governor()).frames(source, "video/mpeg")

    assert list(listed.times) == pytest.approx([number / 25 for number in range(50)], abs=0.0001)
