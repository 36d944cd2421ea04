"""Jobs on videos against what anybody would do by hand; and the prediction of ffmpeg's memory.

    python -m benchmarks.video [transcode clip analyze submit predict ...] [--seconds 60] [--rounds 3] [--short]
    python -m benchmarks.video predict [--heights 360,720] [--encoders libx264,libx265]

`transcode` and `clip` are measured against one ffmpeg with the same options, `analyze` against a script that pipes all
frames, makes some of them smaller and looks at them with the same model. A ratio is made within a round. Jobs are
timed from their first step to their end; `submit` has the time before that. `predict` prints a grid.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.server import SCRATCH
from benchmarks.table import Measure, print_heading, print_measures
from benchmarks.video_encode import measure_clip, measure_transcode
from benchmarks.video_films import hand_film
from benchmarks.video_grid import print_errors
from benchmarks.video_looking import measure_analyze
from benchmarks.video_service import job_service
from benchmarks.video_submit import measure_submit

_ALL = ("transcode", "clip", "analyze", "submit")
_SHORT_SECONDS, _SHORT_HEIGHT = 6, 180


def main() -> None:
    arguments = _arguments()
    parts = arguments.parts or _ALL
    if measured := [name for name in _ALL if name in parts]:
        print_heading(
            "benchmarks.video",
            f"{', '.join(measured)}: a film of {arguments.seconds} s, {arguments.height} lines, "
            f"{arguments.rounds} rounds",
        )
        print_measures(_measure(measured, arguments))
    if "predict" in parts:
        print_errors(
            [int(height) for height in arguments.heights.split(",")],
            [name for name in arguments.encoders.split(",") if name],
        )


def _measure(parts: list[str], arguments: argparse.Namespace) -> list[Measure]:
    found: list[Measure] = []
    SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=SCRATCH) as name:
        folder, rounds = Path(name), arguments.rounds
        if set(parts) != {"submit"}:
            film = hand_film(folder / "film.mp4", arguments.seconds, arguments.height)
            with job_service() as jobs:
                jobs.do("transcode", jobs.store(film), {"maxHeight": 90})  # the jobs child is there from now on
                if "transcode" in parts:
                    found += measure_transcode(jobs, film, rounds, True if arguments.short else "auto")
                if "clip" in parts:
                    found += measure_clip(jobs, film, arguments.seconds, rounds)
                if "analyze" in parts:
                    found += measure_analyze(jobs, film, rounds)
        if "submit" in parts:
            found += measure_submit(folder, rounds)
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(_ALL)} (all of these), predict")
    parser.add_argument("--seconds", type=int, default=60, help="length of the film")
    parser.add_argument("--height", type=int, default=1080, help="of its pictures")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--heights", default="360,720", help="of predict")
    parser.add_argument("--encoders", default="", help="of predict: names of ffmpeg's, with commas; all if unset")
    parser.add_argument("--short", action="store_true", help="one round with a film of some seconds")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.parts if name not in (*_ALL, "predict")]:
        parser.error(f"there is no part {', '.join(unknown)}")
    if arguments.short:
        arguments.seconds, arguments.height, arguments.rounds = _SHORT_SECONDS, _SHORT_HEIGHT, 1
    return arguments


if __name__ == "__main__":
    main()
