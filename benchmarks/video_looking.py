"""`analyze` against the script that a user would write: the same model, the same sampled frames."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.frame_script import FrameScript
from benchmarks.table import Measure
from benchmarks.video_films import RATE
from benchmarks.video_service import JobService

TASK = "hands"
_SAMPLES_A_SECOND = 5
_LEAST_SPEED = 1.5


def measure_analyze(jobs: JobService, film: Path, rounds: int) -> list[Measure]:
    """Return how the time of a job stands to that of the script; models are loaded before, the rounds interleaved."""
    media_id, every = jobs.store(film), RATE // _SAMPLES_A_SECOND
    params = {"task": TASK, "sampleFps": _SAMPLES_A_SECOND}
    own, naive, clever, unlike = [], [], [], []
    with FrameScript(TASK, film, every) as script:
        jobs.do("analyze", media_id, {**params, "end": 1})
        for _ in range(rounds):
            done = jobs.do("analyze", media_id, params)
            lines = jobs.fetch(done.result).splitlines()
            own.append(done.wall_seconds)
            seconds, looked, found = script.run("all")
            naive.append(seconds)
            clever.append(script.run("few")[0])
            if looked != len(lines):
                raise SystemExit(f"the job looked at {len(lines)} frames, the script at {looked}")
            unlike.append(abs(found - sum(bool(json.loads(line)["detections"]) for line in lines)) / looked)
    times = [job / script_seconds for job, script_seconds in zip(own, naive, strict=True)]
    return [
        Measure(f"analyze, time over that of a script (1 / {_LEAST_SPEED})", times, "", 1 / _LEAST_SPEED, 3),
        Measure("  the job", own, "s", digits=2),
        Measure("  the script, every frame through its pipe", naive, "s", digits=2),
        Measure("  the script, told ffmpeg to leave frames out", clever, "s", digits=2),
        Measure("  frames in which the other found something", [100 * one for one in unlike], "%"),
    ]
