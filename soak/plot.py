"""The plot of a soak: an SVG that is written by hand, readable on light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby

from app.domain.pressure import PressureLevel
from app.domain.units import MIB
from soak.watch import Sample

_WIDTH, _HEIGHT = 960, 480
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 64, 84
_STRIP = 14
"""Height of the strip of levels below the curves."""

_STYLE = """
  svg { background: #ffffff; color: #1f2328; font: 12px system-ui, sans-serif; }
  text { fill: currentColor; }
  .title { font-size: 15px; font-weight: 600; }
  .axis { stroke: currentColor; stroke-opacity: .55; fill: none; }
  .grid { stroke: currentColor; stroke-opacity: .12; }
  .curve { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
  .limit { stroke: #cf222e; stroke-width: 1.4; stroke-dasharray: 7 4; fill: none; }
  .threshold { stroke: #cf222e; stroke-opacity: .45; stroke-dasharray: 2 4; fill: none; }
  .working { stroke: #0969da; } .ledger { stroke: #9a5b00; } .tree { stroke: #6e7781; } .api { stroke: #1a7f37; }
  .LOW { fill: #2da44e; } .MODERATE { fill: #d4a72c; } .HIGH { fill: #e16f24; } .CRITICAL { fill: #cf222e; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; color: #e6edf3; }
    .working { stroke: #58a6ff; } .ledger { stroke: #e3b341; } .tree { stroke: #8b949e; } .api { stroke: #3fb950; }
    .limit, .threshold { stroke: #ff7b72; }
  }
"""

_CURVES = (
    ("working", "working set"),
    ("ledger", "reserved in the ledger"),
    ("tree", "RSS of all processes"),
    ("api", "RSS of the API"),
)


def draw(samples: Sequence[Sample], limit_bytes: int, thresholds: Iterable[float], title: str) -> str:
    """Return the plot as SVG 1.1: curves in MiB over seconds, the limit, and the level below.

    `thresholds` are shares of the limit at which the level rises.
    """
    frame = _Frame(samples, limit_bytes)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">',
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="{_LEFT}" y="24">{escape(title)}</text>',
        *_legend(),
        *frame.axes(),
        *(frame.level_line(share * limit_bytes, "threshold", "") for share in thresholds),
        frame.level_line(limit_bytes, "limit", f"limit {limit_bytes / MIB:.0f} MiB"),
        *frame.curves(),
        *frame.strip(),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Frame:
    """The coordinates of one plot."""

    def __init__(self, samples: Sequence[Sample], limit_bytes: int) -> None:
        self._samples = samples
        self._seconds = max((sample.at_seconds for sample in samples), default=0.0) or 1.0
        highest = max((max(_values(sample).values()) for sample in samples), default=0)
        self._top_bytes = max(highest, limit_bytes) * 1.06

    def axes(self) -> Iterable[str]:
        bottom = _HEIGHT - _BOTTOM
        for mib in _ticks(self._top_bytes / MIB):
            y = self._y(mib * MIB)
            yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'
            yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{mib:g}</text>'
        for seconds in _ticks(self._seconds):
            x = self._x(seconds)
            yield f'<path class="grid" d="M{x:.1f} {_TOP}V{bottom}"/>'
            yield f'<text x="{x:.1f}" y="{bottom + _STRIP + 20}" text-anchor="middle">{seconds:g}</text>'
        yield f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{_WIDTH - _RIGHT}"/>'
        yield f'<text x="{_LEFT - 8}" y="{_TOP - 8}" text-anchor="end">MiB</text>'
        yield f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 34}" text-anchor="end">seconds</text>'

    def level_line(self, nbytes: float, kind: str, text: str) -> str:
        y = self._y(nbytes)
        label = f'<text x="{_WIDTH - _RIGHT}" y="{y - 5:.1f}" text-anchor="end">{escape(text)}</text>' if text else ""
        return f'<path class="{kind}" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>{label}'

    def curves(self) -> Iterable[str]:
        for kind, _ in _CURVES:
            points = " ".join(f"{self._x(s.at_seconds):.1f},{self._y(_values(s)[kind]):.1f}" for s in self._samples)
            yield f'<polyline class="curve {kind}" points="{points}"/>'

    def strip(self) -> Iterable[str]:
        """Yield one bar for each stretch of time that had one level."""
        y = _HEIGHT - _BOTTOM + 2
        ends = [sample.at_seconds for sample in self._samples[1:]] + [self._seconds]
        pairs = zip(self._samples, ends, strict=False)  # without samples there is one end too many
        for level, stretch in groupby(pairs, key=lambda pair: pair[0].level):
            (first, end), *later = stretch
            left, right = self._x(first.at_seconds), self._x(later[-1][1] if later else end)
            width = max(right - left, 0.5)
            yield f'<rect class="{level}" x="{left:.1f}" y="{y}" width="{width:.1f}" height="{_STRIP}"/>'

    def _x(self, seconds: float) -> float:
        return _LEFT + max(0.0, seconds) / self._seconds * (_WIDTH - _LEFT - _RIGHT)

    def _y(self, nbytes: float) -> float:
        return _HEIGHT - _BOTTOM - nbytes / self._top_bytes * (_HEIGHT - _TOP - _BOTTOM)


def _values(sample: Sample) -> dict[str, int]:
    return {
        "working": sample.working_set_bytes,
        "ledger": sample.reserved_bytes,
        "tree": sample.tree_rss_bytes,
        "api": sample.api_rss_bytes,
    }


def _legend() -> Iterable[str]:
    x = _LEFT
    for kind, name in _CURVES:
        yield f'<path class="curve {kind}" d="M{x} 42h22"/><text x="{x + 28}" y="46">{name}</text>'
        x += 52 + 7 * len(name)
    x = _LEFT
    for level in PressureLevel:
        y = _HEIGHT - 22
        yield f'<rect class="{level.name}" x="{x}" y="{y}" width="12" height="12"/>'
        yield f'<text x="{x + 18}" y="{y + 10}">{level.name}</text>'
        x += 40 + 9 * len(level.name)


def _ticks(highest: float) -> Iterable[float]:
    """Return 4 to 10 round numbers from 0 on: steps of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(highest / 4)) if highest > 0 else 1.0
    step = next((factor * power for factor in (1, 2, 5, 10) if highest / (factor * power) <= 8), 10 * power)
    return [number * step for number in range(int(highest / step) + 1)]
