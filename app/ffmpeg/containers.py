"""What goes into the containers that are written: codecs of pictures and of sound, as FFmpeg calls them."""

from __future__ import annotations

from collections.abc import Mapping

PICTURES: Mapping[str, tuple[str, ...]] = {
    "mp4": ("h264", "hevc", "vp9", "av1", "mpeg4"),
    "webm": ("vp8", "vp9", "av1"),
}
SOUNDS: Mapping[str, tuple[str, ...]] = {
    "mp4": ("aac", "mp3", "opus", "ac3", "eac3", "alac", "flac"),
    "webm": ("opus", "vorbis"),
}
