"""`ballast soak`: the service under a mixed load in a small memory control group, with a verdict."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from app.domain.units import GIB, MIB
from app.settings import parse_bytes

if TYPE_CHECKING:
    from app.settings import Settings
    from soak.plan import SoakPlan
    from soak.soak import Outcome
    from soak.tally import Tally
    from soak.watch import Watched

REFUSED = 2
INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=_size, default=300 * MIB, help="memory of the whole service (default: 300M)")
    parser.add_argument("--minutes", type=float, help="go on for so long instead of a number of photos")
    parser.add_argument(
        "--photos", type=Path, metavar="DIR", help="JPEG, PNG and WebP files to send (default: a grey one)"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write an SVG of memory over time")
    parser.add_argument("--count", type=int, default=1000, help="photos to send (default: 1000)")
    parser.add_argument("--streams", type=int, default=4, help="WebSocket streams at 30 frames a second (default: 4)")
    parser.add_argument(
        "--upload", type=_size, default=GIB, help="size of the upload beside them; 0: none (default: 1G)"
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="keep the log of the service")


def run(options: argparse.Namespace) -> int:
    """Return 0 where every promise was kept, 1 where one was not, 2 where nothing could be run."""
    import uvloop

    from app.configuration import SettingsRefused, read_settings
    from soak.pictures import NoPictures
    from soak.plan import SoakPlan
    from soak.service import ServiceFault
    from soak.soak import soak

    plan = SoakPlan(
        options.limit,
        photos=options.count,
        minutes=options.minutes,
        photos_folder=options.photos,
        streams=options.streams,
        upload_bytes=options.upload,
    )
    line = _ProgressLine(sys.stderr, plan)
    try:
        settings = read_settings()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            outcome = runner.run(soak(plan, settings, line.show))
    except (SettingsRefused, NoPictures, ServiceFault) as error:
        line.clear()
        print(f"ballast soak: {error}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:  # everything is stopped and removed by now
        line.clear()
        return INTERRUPTED
    line.clear()
    return _report(outcome, plan, settings, options)


def _report(outcome: Outcome, plan: SoakPlan, settings: Settings, options: argparse.Namespace) -> int:
    from soak.plot import draw
    from soak.verdict import render

    print(render(outcome.verdict))
    if options.plot is not None:
        memory = settings.memory
        title = f"ballast soak: {outcome.tally.photos_done} photos, {plan.streams} streams, one upload"
        shares = (memory.moderate_share, memory.high_share, memory.critical_share)
        options.plot.write_text(draw(outcome.seen.samples, plan.limit_bytes, shares, title))
        print(f"plot: {options.plot}")
    if options.log is not None:
        options.log.write_text(outcome.log)
    return 0 if outcome.verdict.passed else 1


class _ProgressLine:
    """One line that is drawn again and again, where somebody watches."""

    def __init__(self, stream: TextIO, plan: SoakPlan) -> None:
        self._stream = stream
        self._plan = plan
        self._watched = stream.isatty()

    def show(self, tally: Tally, seen: Watched) -> None:
        if not self._watched or not seen.samples:
            return
        last, plan = seen.samples[-1], self._plan
        wanted = (
            f"/{plan.photos}" if plan.minutes is None else f", {tally.elapsed_seconds / 60:.1f}/{plan.minutes:g} min"
        )
        text = (
            f"photos {tally.photos_done}{wanted}  working set {last.working_set_bytes / MIB:.0f} of "
            f"{plan.limit_bytes / MIB:.0f} MiB  {last.level}  upload {tally.uploaded_bytes / MIB:.0f} of "
            f"{plan.upload_bytes / MIB:.0f} MiB  frames {tally.frame_answers['result']}/{tally.frames_sent}  "
            f"lost {len(tally.lost)}"
        )
        self._stream.write(f"\r\x1b[K{text}")
        self._stream.flush()

    def clear(self) -> None:
        if self._watched:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _size(text: str) -> int:
    try:
        size = parse_bytes(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    assert isinstance(size, int)
    return size
