"""How soon a job starts, without the jobs child and with it, and what jobs leave in the memory of the API."""

from __future__ import annotations

from pathlib import Path

from benchmarks.table import MB, Measure
from benchmarks.video_films import run_plain
from benchmarks.video_service import job_service

_WARM = 5


def measure_submit(folder: Path, rounds: int) -> list[Measure]:
    """Return the times until the first step of a job begins, and the growth of the API; a service for each round."""
    film = folder / "second.mp4"
    run_plain("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=1", "-pix_fmt", "yuv420p", film)
    cold: list[float] = []
    warm: list[float] = []
    grown: list[float] = []
    for _ in range(rounds):
        with job_service(JOBS__IDLE_SECONDS="1") as jobs:
            media_id = jobs.store(film)
            before_bytes = jobs.rss_bytes()
            for number in range(1 + _WARM):
                started = jobs.do("transcode", media_id, {}).start_seconds
                (warm if number else cold).append(started)
            jobs.await_end_of_engine()
            grown.append((jobs.rss_bytes() - before_bytes) / MB)
    return [
        Measure("submit to start, jobs child not there", cold, "s", 2.0, 2),
        Measure("submit to start, jobs child there", [1000 * one for one in warm], "ms", 300, 0),
        Measure("growth of the API after jobs", grown, "MB", 5.0),
    ]
