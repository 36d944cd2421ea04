"""A part of a video in which moving regions are covered: by a mask of its own frames, within one run of ffmpeg.

The mask is a video of grey pictures, small ones, white where something is covered, with a regular rate. What covers is
made of the picture itself, drawn of few means, or is one colour; so nothing but the mask is made elsewhere, no raw
picture leaves ffmpeg, and what is not covered is what it would be without: `overlay` leaves it alone. At 1080p it takes
a fifth more CPU time than encoding alone; pictures through pipes and back, half more, before anything is drawn on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from app.domain.face_style import FaceStyle
from app.ffmpeg.parts import PartOrder, filters, part_work
from app.ffmpeg.predictor import picture_bytes
from app.ffmpeg.profiles import Rung
from app.ffmpeg.runner import MAX_PIXELS
from app.ffmpeg.works import Work

_PICTURES = 18
"""Pictures in the filters at a time, of the size of the result (measured at 1080p: 17)."""

_THREADS = 4
"""Of the second input and of the filters."""

_DRAWN: Mapping[FaceStyle, str] = {
    "blur": "scale={cells}:flags=area,hue=s=0.5,scale={size}:flags=bicubic",
    "pixelate": "scale={cells}:flags=area,scale={size}:flags=neighbor",
    "solid": "lutyuv=y=16:u=128:v=128",
    "oval": "lutyuv=y=44:u=128:v=128",
}


@dataclass(frozen=True, slots=True)
class Cover:
    """`mask` has PNGs one after the other, `rate` a second: the first is for what is shown at the part's beginning, and
    half a tick before and after it. `style`: `blur` or `pixelate` with cells of `cell` (part of the picture's longer
    side), `solid` or `oval`."""

    mask: Path
    rate: float
    style: FaceStyle
    cell: float


def covered_work(cover: Cover, order: PartOrder, rung: Rung, target: Path) -> Work:
    """Return the run that writes a covered part to `target`; see `parts.part_work`."""
    plain = part_work(order, rung, target)
    width, height = order.look.at_most(rung.max_height)
    arguments = list(plain.arguments)
    at = arguments.index("-vf")
    arguments[at : at + 2] = [
        "-filter_complex_threads",
        "1",
        "-filter_complex",
        _graph(cover, filters(order, rung), width, height),
    ]
    at = arguments.index("-map")
    arguments[at : at + 2] = [*_mask_input(cover), "-map", "[covered]"]
    return replace(
        plain,
        arguments=arguments,
        cost_bytes=plain.cost_bytes + covering_bytes(order, rung),
        threads=plain.threads + _THREADS,
        reads=(*plain.reads, cover.mask),
    )


def covering_bytes(order: PartOrder, rung: Rung) -> int:
    """Return what covering takes beside encoding the part."""
    return _PICTURES * picture_bytes(*order.look.at_most(rung.max_height), deep=order.is_deep)


def _mask_input(cover: Cover) -> list[str]:
    allowed = ["-protocol_whitelist", "file,pipe", "-format_whitelist", "png_pipe", "-max_pixels", str(MAX_PIXELS)]
    return ["-threads", "1", *allowed, "-f", "png_pipe", "-framerate", f"{cover.rate:.6f}", "-i", f"file:{cover.mask}"]


def _graph(cover: Cover, before: str, width: int, height: int) -> str:
    across = max(2, int(width / (cover.cell * max(width, height))))
    down = max(2, int(height / (cover.cell * max(width, height))))
    drawn = _DRAWN[cover.style].format(cells=f"{across}:{down}", size=f"{width}:{height}")
    # A mask begins half a tick early: a frame is never on the edge between two of them.
    mask = f"format=gray,scale={width}:{height}:flags=bilinear,setpts=PTS-{0.5 / cover.rate:.6f}/TB"
    return (
        f"[0:V:0]{before},split[bare][seen];[1:v]{mask}[mask];[seen]{drawn},format=yuv420p[drawn];"
        "[drawn][mask]alphamerge[cover];[bare][cover]overlay=format=yuv420,format=yuv420p[covered]"
    )
