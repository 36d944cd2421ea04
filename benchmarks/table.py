"""Results as Markdown tables that read well as plain text too."""

from __future__ import annotations

import math
import os
import platform
import shlex
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing measured several times, and the most that its median may be."""

    name: str
    values: Sequence[float]
    unit: str
    target: float | None = None
    digits: int = 1

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "met" if statistics.median(self.values) <= self.target else "MISSED"

    def row(self) -> list[str]:
        target = "" if self.target is None else f"<= {self.target:g} {self.unit}".strip()
        return [self.name, f"{span(self.values, self.digits)} {self.unit}".strip(), target, self.verdict]


def print_measures(measures: Iterable[Measure]) -> None:
    """Print one row a measure: median [lowest..highest], target, verdict."""
    print_table(["measured", "median [min..max]", "target", "verdict"], [measure.row() for measure in measures])


def print_comparison(ours: Iterable[Measure], others: Iterable[Measure]) -> None:
    """Print how the same measures stand to those of another checkout; a ratio is made within a round."""
    rows = []
    for own, other in zip(ours, others, strict=True):
        ratios = [mine / its for mine, its in zip(own.values, other.values, strict=True) if its > 0]
        medians = [f"{statistics.median(one.values):.{own.digits}f} {own.unit}".strip() for one in (own, other)]
        rows.append([own.name, *medians, span(ratios, 3) if ratios else ""])
    print_table(["measured", "this checkout", "the other", "ratio, median [min..max]"], rows)


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table; the first column is aligned to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [header, *cells]) for column in range(len(header))]
    print(_line(header, widths))
    print(
        "|" + "|".join("-" * (width + 1) + ("-" if column == 0 else ":") for column, width in enumerate(widths)) + "|"
    )
    for row in cells:
        print(_line(row, widths))


def print_heading(module: str, title: str) -> None:
    """Print what is measured, the command that does so, the machine, and the work that others do on it."""
    command = shlex.join(["python", "-m", module, *sys.argv[1:]])
    print(f"{title}\n`{command}` on {_machine()}, load {os.getloadavg()[0]:.1f}\n", flush=True)


def span(values: Sequence[float], digits: int = 1) -> str:
    """Return `median [lowest..highest]`."""
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}..{max(values):.{digits}f}]"


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the smallest value that at least `percent` of the values do not exceed (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = [
        cell.ljust(width) if column == 0 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "| " + " | ".join(aligned) + " |"


def _machine() -> str:
    return f"{os.cpu_count()} x {_processor()}, Linux {platform.release()}, Python {platform.python_version()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
