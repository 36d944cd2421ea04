"""The film of a soak's jobs: two seconds that ffmpeg draws."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

_SECONDS, _SIZE, _RATE = 2, "640x360", 25


def draw_film() -> bytes | None:
    """Return an MP4 file with pictures and a tone; None where there is no ffmpeg, or one that cannot encode it."""
    program = shutil.which("ffmpeg")
    if program is None:
        return None
    sources = (f"testsrc2=s={_SIZE}:r={_RATE}:d={_SECONDS}", f"sine=d={_SECONDS}")
    inputs = [word for source in sources for word in ("-f", "lavfi", "-i", source)]
    with tempfile.TemporaryDirectory(prefix="ballast-film-") as folder:
        path = Path(folder) / "film.mp4"
        command = [program, "-v", "error", "-nostdin", *inputs, "-pix_fmt", "yuv420p", str(path)]
        made = subprocess.run(command, stderr=subprocess.DEVNULL, check=False)
        return path.read_bytes() if made.returncode == 0 else None
