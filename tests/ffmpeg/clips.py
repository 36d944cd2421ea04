"""Small clips, made by ffmpeg's own generators. Without ffmpeg the tests that use them fail in CI, else are skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.absent import cannot_run

PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=1")
SOUND = ("-f", "lavfi", "-i", "sine=d=1")
_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")

CLIPS: dict[str, tuple[str, ...]] = {
    "mp4": (*PICTURE, *SOUND, *_H264, "-movflags", "+faststart"),
    "mov": (*PICTURE, *_H264),
    "3gp": ("-f", "lavfi", "-i", "testsrc2=s=176x144:r=25:d=1", "-c:v", "mpeg4"),
    "mkv": (*PICTURE, *SOUND, *_H264),
    "webm": (*PICTURE, "-c:v", "libvpx", "-deadline", "realtime"),
    "avi": (*PICTURE, "-c:v", "mpeg4"),
    "ts": (*PICTURE, *_H264),
    "mpg": (*PICTURE, "-c:v", "mpeg2video"),
    "flv": (*PICTURE, *_H264),
    "wmv": (*PICTURE, "-c:v", "wmv2"),
    "ogv": (*PICTURE, "-c:v", "libtheora"),
    "ogg": (*SOUND, "-c:a", "libvorbis"),
    "m4a": (*SOUND, "-c:a", "aac"),
    "aac": (*SOUND, "-c:a", "aac"),
    "mp3": (*SOUND, "-c:a", "libmp3lame"),
    "flac": SOUND,
    "wav": SOUND,
}
"""How to make one second of each container: the picture is 320x180 (3gp: 176x144) with 25 frames a second."""


def tool(name: str = "ffmpeg") -> Path:
    """Return where ffmpeg or ffprobe is; the test is skipped where it is not."""
    found = shutil.which(name)
    if found is None:
        cannot_run(f"{name} is not installed")
    return Path(found)


def make(path: Path, *arguments: str) -> Path:
    """Have ffmpeg write `path`."""
    subprocess.run([tool(), "-v", "error", "-nostdin", "-y", *arguments, path], check=True, timeout=200)
    return path


@cache
def clip(extension: str) -> bytes:
    """Return the bytes of a clip of one second in this container."""
    folder = Path(os.environ.get("TMPDIR", "/tmp"))
    path = folder / f"ballast-clip-{os.getpid()}.{extension}"
    try:
        return make(path, *CLIPS[extension]).read_bytes()
    finally:
        path.unlink(missing_ok=True)


def turned(mp4: bytes, *, clockwise: int) -> bytes:
    """Return the MP4 with another matrix in its first track header (ISO/IEC 14496-12, 8.3.2), as telephones do it."""
    cosine, sine = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[clockwise]
    at = mp4.index(b"tkhd") + 4
    matrix_at = at + (52 if mp4[at] == 1 else 40)
    numbers = (cosine, sine, 0, -sine, cosine, 0, 0, 0, 0x4000)
    matrix = b"".join((number * 0x10000).to_bytes(4, "big", signed=True) for number in numbers)
    return mp4[:matrix_at] + matrix + mp4[matrix_at + 36 :]
