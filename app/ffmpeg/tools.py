"""Where FFmpeg's programs are: named by a setting, on PATH, or in a package of Python."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path

from app.errors import InvalidParameter
from app.settings import VideoSettings

_PACKAGE = "imageio_ffmpeg"
"""Wheels with a static build of ffmpeg, without ffprobe (imageio/imageio-ffmpeg#23). It is not imported: that would
bring numpy into the API process on some versions, and all that is needed is a path."""


@dataclass(frozen=True, slots=True)
class Tools:
    """Where FFmpeg's programs are; None: not installed."""

    ffmpeg: Path | None
    ffprobe: Path | None

    def need_ffmpeg(self) -> Path:
        """Return where ffmpeg is.

        Raises:
            InvalidParameter: it is not installed.
        """
        if self.ffmpeg is None:
            raise InvalidParameter("ffmpeg is not installed on this machine: videos and sound cannot be processed.")
        return self.ffmpeg

    def need_ffprobe(self) -> Path:
        """Return where ffprobe is.

        Raises:
            InvalidParameter: it is not installed.
        """
        if self.ffprobe is None:
            raise InvalidParameter(
                "ffprobe is not installed on this machine: nobody knows what is in a video, so no job can be planned."
            )
        return self.ffprobe


def find_tools(settings: VideoSettings) -> Tools:
    """Return where the programs are: what the settings say, else on PATH, else (ffmpeg only) in `imageio_ffmpeg`.

    A setting that names no program counts as not installed: what was asked for is not replaced by something else.
    """
    ffmpeg = settings.ffmpeg or _on_path("ffmpeg") or _packaged()
    ffprobe = settings.ffprobe or _on_path("ffprobe")
    return Tools(ffmpeg=_program(ffmpeg), ffprobe=_program(ffprobe))


def _on_path(name: str) -> Path | None:
    found = shutil.which(name)
    return None if found is None else Path(found)


def _packaged() -> Path | None:
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        return None
    return next(iter(sorted(Path(package.origin).parent.glob("binaries/ffmpeg-*"))), None)


def _program(path: Path | None) -> Path | None:
    found = None if path is None else shutil.which(path)
    return None if found is None else Path(found).resolve()
