"""Clips whose frames have numbers: each is of one grey that says which it is."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from tests.ffmpeg.clips import make, tool

_COUNT = 100
_GREYS = f"geq=lum='20+2*mod(N,{_COUNT})':cb=128:cr=128"
_BEEP = "aevalsrc='0.5*sin(2*PI*(300+200*floor(t))*t)':s=48000"


def numbered(
    path: Path, seconds: float, *options: str, rate: str = "30", size: str = "160x90", sound: bool = True
) -> Path:
    """Make a clip whose frames are numbered from 0 on (modulo 100), with a key frame each 2 seconds or so."""
    picture = ("-f", "lavfi", "-i", f"color=s={size}:r={rate}:d={seconds},{_GREYS}")
    heard = ("-f", "lavfi", "-i", f"{_BEEP}:d={seconds}", "-c:a", "aac") if sound else ()
    codec = ("-c:v", "libx264", "-preset", "veryfast", "-qp", "4", "-g", "60", "-pix_fmt", "yuv420p")
    return make(path, *picture, *heard, *codec, *options)


def numbers(path: Path) -> list[int]:
    """Return the numbers of all frames of a clip, in the order in which they are shown."""
    arguments: list[str | Path] = [
        tool(),
        "-v",
        "error",
        "-nostdin",
        "-i",
        path,
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
    ]
    arguments += ["-vf", "scale=1:1:flags=area,format=gray", "-f", "rawvideo", "-"]
    greys = subprocess.run(arguments, check=True, capture_output=True, timeout=100).stdout
    return [round((grey * 219 / 255 + 16 - 20) / 2) for grey in greys]


def times(path: Path, stream: str = "v:0") -> list[float]:
    """Return when each packet is shown, in seconds, in order."""
    arguments: list[str | Path] = [
        tool("ffprobe"),
        "-v",
        "error",
        "-select_streams",
        stream,
        "-show_entries",
        "packet=pts_time",
    ]
    text = subprocess.run([*arguments, "-of", "json", path], check=True, capture_output=True, timeout=100).stdout
    return sorted(float(packet["pts_time"]) for packet in json.loads(text)["packets"])


def compared(path: Path, source: Path) -> tuple[list[float], str]:
    """Return how like those of a source the frames of a file are (SSIM, 1 is the same), and what decoders say."""
    graph = "[0:v]settb=AVTB,setpts=N/TB[one];[1:v]settb=AVTB,setpts=N/TB[other];[one][other]ssim=stats_file=-"
    arguments: list[str | Path] = [tool(), "-v", "error", "-nostdin", "-i", path, "-i", source]
    arguments += ["-lavfi", graph, "-f", "null", "-"]
    ran = subprocess.run(arguments, check=True, capture_output=True, timeout=100, text=True)
    return [float(one) for one in re.findall(r"All:([0-9.]+)", ran.stdout)], ran.stderr


def decoded(path: Path, *options: str) -> bytes:
    """Return all sound of a file as PCM of 16 bits."""
    arguments: list[str | Path] = [
        tool(),
        "-v",
        "error",
        "-nostdin",
        "-i",
        path,
        "-map",
        "0:a:0",
        *options,
        "-f",
        "s16le",
        "-",
    ]
    return subprocess.run(arguments, check=True, capture_output=True, timeout=100).stdout
