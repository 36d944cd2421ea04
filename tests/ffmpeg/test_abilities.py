from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.errors import InvalidParameter
from app.ffmpeg.abilities import Abilities, AbilityReader
from app.ffmpeg.encoders import CODECS, ENCODERS, available_codecs, find_encoder
from app.ffmpeg.profiles import Profile
from app.ffmpeg.runner import FFmpegRunner
from app.ffmpeg.tools import Tools, find_tools
from app.settings import VideoSettings
from tests.ffmpeg.clips import tool
from tests.ffmpeg.rooms import Governor


async def test_what_ffmpeg_can_do_is_asked_once() -> None:
    governor = Governor()
    reader = AbilityReader(tool().resolve(), FFmpegRunner(governor, "required"))

    first, again = await asyncio.gather(reader.read(), reader.read())

    assert first is again
    assert len(governor.seen) == 4
    assert {"libx264", "aac"} <= first.encoders
    assert {"mp4", "webm", "hls"} <= first.muxers
    assert {"scale", "fps"} <= first.filters
    assert first.version


async def test_without_ffmpeg_there_is_nothing() -> None:
    assert await AbilityReader(None, FFmpegRunner(Governor(), "required")).read() == Abilities()


def test_a_setting_comes_before_path(tmp_path: Path) -> None:
    own = tmp_path / "ffmpeg"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)

    assert find_tools(VideoSettings(ffmpeg=own)).ffmpeg == own.resolve()
    assert find_tools(VideoSettings(ffmpeg=tmp_path / "missing")).ffmpeg is None


def test_what_is_not_installed_is_said_plainly() -> None:
    with pytest.raises(InvalidParameter, match="ffmpeg is not installed"):
        Tools(None, None).need_ffmpeg()
    with pytest.raises(InvalidParameter, match="ffprobe is not installed"):
        Tools(None, None).need_ffprobe()


def test_of_one_codec_the_best_encoder_that_is_there_is_used() -> None:
    both = Abilities("1", frozenset({"libaom-av1", "libsvtav1", "libx264"}))

    found = find_encoder("av1", both)

    assert found is not None
    assert found.name == "libsvtav1"
    assert available_codecs(both) == ["h264", "av1"]
    assert find_encoder("vp9", both) is None


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda encoder: encoder.name)
def test_quality_goes_from_the_worst_to_the_best_factor(encoder: object) -> None:
    one = next(each for each in ENCODERS if each is encoder)

    assert (one.crf(1), one.crf(100)) == (one.worst_crf, one.best_crf)
    assert sorted((one.crf(quality) for quality in range(1, 101)), reverse=True) == [
        one.crf(quality) for quality in range(1, 101)
    ]
    assert one.codec in CODECS
    assert all(one.options(profile, 66)[:2] == ["-c:v", one.name] for profile in Profile)
