"""`ballast soak`: the service under a mixed load in a small memory control group, with a verdict."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from app.command import Command, CommandRefused
from app.domain.units import GIB, MIB

if TYPE_CHECKING:
    from app.settings import Settings
    from soak.plan import SoakPlan
    from soak.runner import Outcome
    from soak.tally import Tally
    from soak.watch import Watched

INTERRUPTED = 130


class Soak(Command):
    name = "soak"
    summary = "put the service under a mixed load in a small memory control group, and judge it"

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("--limit", type=_size, default=300 * MIB, help="memory of the whole service (default: 300M)")
        add("--minutes", type=float, help="go on for so long instead of a number of photos")
        add("--photos", type=Path, metavar="DIR", help="JPEG, PNG and WebP files to send (default: a grey one)")
        add("--plot", type=Path, metavar="FILE", help="write an SVG of memory over time")
        add("--count", type=int, default=1000, help="photos to send (default: 1000)")
        add("--tasks", type=_tasks, default=("hands",), help="vision tasks, with commas, or `all` (default: hands)")
        add("--images", type=int, default=1, help="pictures at a time that are transformed, where that is offered")
        add("--jobs", type=int, default=0, help="jobs at a time on a small film (default: none)")
        add("--streams", type=int, default=4, help="WebSocket streams at 30 frames a second (default: 4)")
        add("--upload", type=_size, default=GIB, help="size of the upload beside them; 0: none (default: 1G)")
        add("--log", type=Path, metavar="FILE", help="keep the log of the service")

    def run(self, options: Namespace) -> int:
        """Return 0 where every promise was kept, 1 where one was not."""
        import asyncio

        import uvloop

        from app.configuration import read_settings
        from app.terminal import ProgressLine
        from soak.offer import UnknownTask
        from soak.pictures import NoPictures
        from soak.runner import run_soak
        from soak.service import ServiceFault

        plan, settings, line = _plan(options), read_settings(), ProgressLine(sys.stderr)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                outcome = runner.run(run_soak(plan, settings, lambda *seen: line.show(_progress(plan, *seen))))
        except (NoPictures, ServiceFault, UnknownTask) as error:
            raise CommandRefused(str(error)) from error
        except KeyboardInterrupt:  # everything is stopped and removed by now
            return INTERRUPTED
        finally:
            line.clear()
        _report(outcome, plan, settings, options)
        return 0 if outcome.verdict.passed else 1


def _plan(options: Namespace) -> SoakPlan:
    from soak.plan import SoakPlan

    return SoakPlan(
        options.limit,
        photos=options.count,
        minutes=options.minutes,
        photos_folder=options.photos,
        streams=options.streams,
        tasks=options.tasks,
        images=options.images,
        jobs=options.jobs,
        upload_bytes=options.upload,
    )


def _report(outcome: Outcome, plan: SoakPlan, settings: Settings, options: Namespace) -> None:
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


def _progress(plan: SoakPlan, tally: Tally, seen: Watched) -> str:
    if not seen.samples:
        return "starting"
    last = seen.samples[-1]
    wanted = f"/{plan.photos}" if plan.minutes is None else f", {tally.elapsed_seconds / 60:.1f}/{plan.minutes:g} min"
    return (
        f"photos {tally.photos_done}{wanted}  working set {last.working_set_bytes / MIB:.0f} of "
        f"{plan.limit_bytes / MIB:.0f} MiB  {last.level}  upload {tally.uploaded_bytes / MIB:.0f} of "
        f"{plan.upload_bytes / MIB:.0f} MiB  frames {tally.frame_answers['result']}/{tally.frames_sent}  "
        f"lost {len(tally.lost)}"
    )


def _tasks(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _size(text: str) -> int:
    from app.settings.values import parse_bytes

    try:
        size = parse_bytes(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    assert isinstance(size, int)
    return size
