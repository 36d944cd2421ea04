"""FFmpeg as `ballast doctor` sees it: found as the service finds it, its version, and what it can encode."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from app.domain.check import Check, passed, warned
from app.ffmpeg.abilities import Abilities, listed_names
from app.ffmpeg.audio_formats import AUDIO_FORMATS
from app.ffmpeg.encoders import CODECS, available_codecs
from app.ffmpeg.tools import find_tools
from app.settings import VideoSettings

_SECONDS = 20.0
_INSTALL = "install it (Debian, Ubuntu: apt-get install --no-install-recommends ffmpeg); without it no video"


def check_ffmpeg(settings: VideoSettings) -> Iterator[Check]:
    """Yield one finding for each program, and one for what can be encoded where there is an ffmpeg that runs."""
    tools = find_tools(settings)
    ffmpeg = check_tool("ffmpeg", tools.ffmpeg)
    yield ffmpeg
    yield check_tool("ffprobe", tools.ffprobe)
    if tools.ffmpeg is not None and not ffmpeg.fix:
        yield check_encoders(tools.ffmpeg)


def check_tool(tool: str, path: Path | None) -> Check:
    """Ask one of the programs for its version."""
    if path is None:
        return warned(tool, "not on PATH, and no setting names it", _INSTALL)
    try:
        parts = _answer(path, "-version").split()
    except (OSError, subprocess.SubprocessError) as error:
        return warned(tool, f"{path} does not run: {error}", _INSTALL)
    return passed(tool, f"{parts[2].decode(errors='replace') if len(parts) > 2 else 'unknown version'} ({path})")


def check_encoders(ffmpeg: Path) -> Check:
    """Ask for the encoders; jobs that want one that is missing are refused with what there is."""
    try:
        abilities = Abilities(encoders=listed_names(_answer(ffmpeg, "-hide_banner", "-encoders")))
    except (OSError, subprocess.SubprocessError) as error:
        return warned("encoders", f"{ffmpeg} does not list them: {error}", _INSTALL)
    codecs = available_codecs(abilities)
    sounds = [one.name for one in AUDIO_FORMATS.values() if one.encoder in abilities.encoders]
    missing = [name for name in (*CODECS, *AUDIO_FORMATS) if name not in (*codecs, *sounds)]
    found = f"{', '.join(codecs) or 'no video'}; {', '.join(sounds) or 'no sound'}"
    if missing:
        fix = "install a build of FFmpeg that has them; jobs that ask for one are refused"
        return warned("encoders", f"{found}; missing: {', '.join(missing)}", fix)
    return passed("encoders", found)


def _answer(program: Path, *arguments: str) -> bytes:
    return subprocess.run([program, *arguments], capture_output=True, timeout=_SECONDS, check=True).stdout
