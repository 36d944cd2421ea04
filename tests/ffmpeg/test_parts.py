from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.units import MIB
from app.ffmpeg.abilities import AbilityReader
from app.ffmpeg.cutting import Span
from app.ffmpeg.encoders import CODECS, find_encoder
from app.ffmpeg.parts import Look, PartOrder, most_video_bytes, part_work
from app.ffmpeg.profiles import Profile, Rung
from app.ffmpeg.runner import FFmpegRunner
from tests.ffmpeg.clips import make, tool
from tests.ffmpeg.rooms import Governor, workroom

FRAMES = 10


@pytest.mark.parametrize("profile", [Profile.MINIMAL, Profile.BALANCED])
async def test_a_file_may_have_what_a_video_of_nothing_but_noise_takes(tmp_path: Path, profile: Profile) -> None:
    noise = "nullsrc=s=160x90,geq=random(1)*255:random(2)*255:random(3)*255"
    source = make(tmp_path / "in.mkv", "-f", "lavfi", "-i", noise, "-frames:v", str(FRAMES), "-c:v", "ffv1")
    room = workroom(Governor())
    video = (await room.probe(source, "video/x-matroska")).video
    abilities = await AbilityReader(tool().resolve(), FFmpegRunner(Governor(), "required")).read()
    assert video is not None

    for encoder in filter(None, (find_encoder(codec, abilities) for codec in CODECS)):
        look = Look(encoder, 160, 90, 100)
        order = PartOrder(source, "video/x-matroska", video, FRAMES / 25, Span(0, FRAMES / 25, FRAMES), None, look)
        target = tmp_path / f"{encoder.codec}.mp4"
        work = part_work(order, Rung(profile), target)
        await room.run(work)

        most_bytes = most_video_bytes(look, FRAMES)
        assert work.file_bytes >= most_bytes
        assert 160 * 90 * FRAMES * 4 // 8 < target.stat().st_size < most_bytes - 16 * MIB  # that much is for anything
