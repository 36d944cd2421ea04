"""The pictures and frames that the benchmarks send; made of the project's test media by ffmpeg."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.server import REPOSITORY

MEDIA = REPOSITORY.parent / "shared" / "media"


class MediaMissing(Exception):
    """The test media or ffmpeg are not there."""


def find_media(name: str, folder: Path = MEDIA) -> Path:
    """Return the path of one of the test media.

    Raises:
        MediaMissing: it is not there.
    """
    path = folder / name
    if not path.is_file():
        raise MediaMissing(f"{name} is not in {folder}")
    return path


def crop_jpeg(name: str, width: int, height: int) -> bytes:
    """Return the middle of a picture, `width` x `height`, as a baseline JPEG.

    Raises:
        MediaMissing: see there.
    """
    crop = ["-vf", f"crop={width}:{height}", "-pix_fmt", "yuvj420p", "-q:v", "3"]
    return _ffmpeg(["-i", str(find_media(name)), *crop, "-f", "mjpeg", "pipe:1"])


def extract_frames(name: str, width: int, height: int) -> list[bytes]:
    """Return all frames of a video, in their order, as JPEGs of `width` x `height` (about quality 80).

    Raises:
        MediaMissing: see there.
    """
    scale = ["-vf", f"scale={width}:{height}", "-pix_fmt", "yuvj420p", "-q:v", "5", "-fps_mode", "passthrough"]
    with tempfile.TemporaryDirectory(prefix="ballast-frames-") as folder:
        _ffmpeg(["-i", str(find_media(name)), *scale, f"{folder}/%05d.jpg"])
        return [path.read_bytes() for path in sorted(Path(folder).iterdir())]


def _ffmpeg(arguments: list[str]) -> bytes:
    program = shutil.which("ffmpeg")
    if program is None:
        raise MediaMissing("ffmpeg is not on PATH")
    command = [program, "-nostdin", "-loglevel", "error", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
