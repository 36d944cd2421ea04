"""What is done to films in a small group beside photos and a stream, and what is seen of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.domain.units import MIB
from app.ffmpeg.running import MARGIN
from benchmarks.frame_stream import FrameStream, FrameTally
from benchmarks.media import extract_frames
from benchmarks.service_report import DIED, KILLED, count
from soak.http import LOST, pause_seconds
from tests.media_files import photo
from tests.stress.films import HAND, hand_film
from tests.stress.running import HANDS, Stand, Subject, summary

RATE, SAMPLE_FPS = 30, 5
ANSWERED = 0.99
ORDERS: Mapping[str, Mapping[str, Any]] = {
    "transcode": {"videoCodec": "h264", "audioCodec": "none"},
    "analyze": {"task": "hands", "sampleFps": SAMPLE_FPS},
}
SETTINGS = {"BALLAST_JOBS__WORKERS": "2", "BALLAST_JOBS__IDLE_SECONDS": "2", "BALLAST_VISION__IDLE_SECONDS": "10"}

_PHOTO_SECONDS = 0.5
_LOOK_SECONDS = 0.1
_ATTEMPTS = 5


@dataclass(slots=True)
class Runs:
    """What was seen of ffmpeg: the highest peak of a process, and where one was above what is held for it."""

    looks: int = 0
    most_bytes: int = 0
    over: list[str] = field(default_factory=list)

    def see(self, report: Mapping[str, Any]) -> None:
        """Hold the largest peak against the largest reservation, and so on: which is for which, is not told."""
        peaks = sorted(one["peakRssBytes"] for one in report["processes"] if one["role"] == "ffmpeg")
        held = sorted(one["reservedBytes"] for one in report["budget"]["holders"] if one["owner"] == "ffmpeg")
        if not peaks or len(peaks) != len(held):  # one is just beginning, or ending
            return
        self.looks += 1
        self.most_bytes = max(self.most_bytes, *peaks)
        if any(peak > reserved for peak, reserved in zip(peaks, held, strict=True)):
            self.over.append(summary(report))


@dataclass(slots=True)
class Outcome:
    """What came of a load. `ends` are the jobs by kind; one that was refused is like one that failed."""

    ends: dict[str, dict[str, Any]] = field(default_factory=dict)
    photos: Counter[str] = field(default_factory=Counter)
    frames: FrameTally = field(default_factory=FrameTally)
    runs: Runs = field(default_factory=Runs)
    killed: dict[str, int] = field(default_factory=dict)

    @property
    def share_answered(self) -> float:
        return self.photos["200"] / max(1, self.photos.total())

    def sentence(self) -> str:
        """Return what a person wants to see of it."""
        kinds = {kind: (end["state"], end.get("memory"), end.get("error")) for kind, end in self.ends.items()}
        return (
            f"{kinds}; photos {dict(self.photos)} ({self.share_answered:.2%}); frames {len(self.frames.lags)} of "
            f"{self.frames.sent}, {dict(self.frames.faults)}; ffmpeg at most {self.runs.most_bytes / MIB:.0f} MiB in "
            f"{self.runs.looks} looks; {self.killed}"
        )


def assert_served(outcome: Outcome) -> None:
    assert outcome.killed == {"oom": 0, KILLED: 0, DIED: 0}
    assert outcome.runs.over == []
    assert outcome.share_answered >= ANSWERED, outcome.photos
    assert outcome.frames.lags, outcome.frames.faults
    for end in outcome.ends.values():
        if "memory" in end:
            assert end["memory"]["peakBytes"] <= end["memory"]["predictedBytes"] * MARGIN


async def work(stand: Stand, seconds: int, beside_seconds: float | None = None) -> Outcome:
    """Have both films worked on at the same time, beside photos and a stream; nothing is left of it but results.

    `beside_seconds`: how long there are photos and a stream at most; None: until both are done.
    """
    film = await asyncio.to_thread(hand_film, stand.folder / "film.mp4", seconds, (1920, 1080), RATE)
    frames = await asyncio.to_thread(extract_frames, HAND, 640, 360)
    outcome = Outcome()
    async with stand.serve(SETTINGS) as subject:
        ids = {kind: await store(subject, film) for kind in ORDERS}
        async with watched(subject, outcome.runs):
            async with served(subject, frames, outcome):
                jobs = {kind: await submit(subject, kind, media_id) for kind, media_id in ids.items()}
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(beside_seconds):
                        for job in jobs.values():
                            await end_of(subject, job)
            outcome.ends = {kind: await end_of(subject, job) for kind, job in jobs.items()}
        await subject.until(lambda report: not [one for one in owners(report) if one.startswith(("ffmpeg", "jobs"))])
        counts = {name: await count(subject.service.port, name) for name in (KILLED, DIED)}
        outcome.killed = {"oom": stand.group.oom_kills(), **counts}
        left = [path.name for path in (stand.folder / "var" / "jobs").iterdir() if path.name not in KNOWN]
    print(outcome.sentence())  # noqa: T201 - for `pytest -rP`
    assert left == []
    return outcome


KNOWN = {"book.sqlite3", "book.sqlite3-shm", "book.sqlite3-wal", "engine"}


def owners(report: Mapping[str, Any]) -> list[str]:
    return [holder["owner"] for holder in report["budget"]["holders"]]


async def store(subject: Subject, film: Path) -> str:
    data = await asyncio.to_thread(film.read_bytes)
    answer = await subject.client.post("/v1/media?inline=never&name=film.mp4", data, "video/mp4")
    assert answer.status == 201, answer.body
    return str(answer.json()["id"])


async def submit(subject: Subject, kind: str, media_id: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Submit a job; one that is refused for its memory is like one that failed with that problem."""
    order = json.dumps({"kind": kind, "input": media_id, "params": ORDERS[kind] if params is None else params}).encode()
    while (answer := await subject.client.post("/v1/jobs", order, "application/json")).status == 503:  # noqa: ASYNC110 - it says when
        await asyncio.sleep(pause_seconds(answer))
    document: dict[str, Any] = answer.json()
    if answer.status == 202:
        return document
    assert answer.status == 413, document
    return {"state": "failed", "error": document}


async def end_of(subject: Subject, job: dict[str, Any]) -> dict[str, Any]:
    while job["state"] not in ("succeeded", "failed", "cancelled"):
        await asyncio.sleep(0.2)
        answer = await subject.client.get(f"/v1/jobs/{job['id']}")
        assert answer.status == 200, answer.body
        job = answer.json()
    return job


@asynccontextmanager
async def watched(subject: Subject, runs: Runs) -> AsyncIterator[None]:
    """Look at the ledger and the processes while the block runs."""
    running = True

    async def look() -> None:
        with closing(subject.connect()) as client:
            while running:
                runs.see((await client.get("/metrics/memory")).json())
                await asyncio.sleep(_LOOK_SECONDS)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(look())
        try:
            yield
        finally:
            running = False


@asynccontextmanager
async def served(subject: Subject, frames: list[bytes], outcome: Outcome) -> AsyncIterator[None]:
    """Send photos, two a second, and a stream while the block runs."""
    running = True

    async def send() -> None:
        picture = photo("thumb_up.jpg").read()
        with closing(subject.connect()) as client:
            while running:
                outcome.photos[await _answer(client, picture)] += 1
                await asyncio.sleep(_PHOTO_SECONDS)

    address = f"ws://127.0.0.1:{subject.service.port}/v1/vision/hands/stream"
    async with FrameStream(address, frames).sending() as tally, asyncio.TaskGroup() as tasks:
        outcome.frames = tally
        tasks.create_task(send())
        try:
            yield
        finally:
            running = False


async def _answer(client: Any, picture: bytes) -> str:
    """Return what becomes of a photo, which is sent again when the service says so."""
    outcome = "lost"
    for _ in range(_ATTEMPTS):
        try:
            answer = await client.post(HANDS, picture, "image/jpeg")
        except LOST:
            return outcome
        outcome = "200" if answer.status == 200 else f"{answer.status} {answer.json().get('code')}"
        if answer.status != 503:
            break
        await asyncio.sleep(pause_seconds(answer))
    return outcome
