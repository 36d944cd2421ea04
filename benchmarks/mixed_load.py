"""Photos of the six tasks in turn, from some clients at a time, and one webcam stream of `hands` beside them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from benchmarks.frame_stream import FrameStream, FrameTally
from benchmarks.table import percentile
from soak.http import LOST, HttpClient
from soak.pictures import Picture

TASKS = ("hands", "gestures", "face-detection", "face-landmarks", "pose", "segmentation")
CLIENTS = 4
STREAM_TASK = "hands"
LOST_OUTCOME = "lost"


@dataclass(frozen=True, slots=True)
class Target:
    """A server on this machine: where it takes pictures, and where frames; `{task}` stands for the task."""

    port: int
    path: str = "/v1/vision/{task}?cache=false"
    stream_path: str = "/v1/vision/{task}/stream"

    @property
    def stream_address(self) -> str:
        return f"ws://127.0.0.1:{self.port}{self.stream_path.format(task=STREAM_TASK)}"


@dataclass(frozen=True, slots=True)
class PhotoAnswer:
    """What became of one photo. `outcome` is `200`, another status with its code, or `lost`; `first` of its task."""

    task: str
    outcome: str
    seconds: float
    first: bool


@dataclass(slots=True)
class MixedAnswers:
    """What came of one load. `frames` are those of the time in which the photos were under way."""

    seconds: float = 0.0
    photos: list[PhotoAnswer] = field(default_factory=list)
    frames: FrameTally = field(default_factory=FrameTally)

    @property
    def answered(self) -> int:
        return sum(photo.outcome == "200" for photo in self.photos)

    @property
    def share_answered(self) -> float:
        return self.answered / len(self.photos)

    @property
    def longest_seconds(self) -> float:
        return max(photo.seconds for photo in self.photos)

    @property
    def later_seconds(self) -> list[float]:
        """The seconds of all photos but the first of each task, which had to wait for the model, and the lost ones."""
        return [photo.seconds for photo in self.photos if not photo.first and photo.outcome != LOST_OUTCOME]

    @property
    def frame_rate(self) -> float:
        """Answers of the stream a second."""
        return len(self.frames.lags) / self.seconds

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(photo.outcome for photo in self.photos)

    def sentence(self) -> str:
        """Return what a person wants to see of it in a line."""
        return (
            f"{dict(self.outcomes)} in {self.seconds:.1f} s, longest {self.longest_seconds:.2f} s, "
            f"after the first p50 {told_ms(self.later_seconds, 50)} and p99 {told_ms(self.later_seconds, 99)} ms, "
            f"stream {self.frame_rate:.1f}/s {dict(self.frames.faults)}"
        )


def told_ms(seconds: Sequence[float], percent: float) -> str:
    """Return a percentile in milliseconds, `-` of nothing."""
    return f"{1e3 * percentile(seconds, percent):.0f}" if seconds else "-"


async def send_photos(target: Target, pictures: Sequence[Picture], count: int) -> MixedAnswers:
    """Send `count` photos, `CLIENTS` at a time; nothing is sent twice.

    Photo n goes to task n modulo six, and every task sees every picture.
    """
    answers, numbers = MixedAnswers(), iter(range(count))
    began = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(CLIENTS):
            tasks.create_task(_send(target, pictures, numbers, answers.photos))
    answers.seconds = time.monotonic() - began
    return answers


async def send_photos_beside_a_stream(
    target: Target, pictures: Sequence[Picture], count: int, frames: Sequence[bytes]
) -> MixedAnswers:
    """The same, beside a stream that was answered once before the first photo is sent."""
    async with FrameStream(target.stream_address, frames).sending() as tally:
        answers = await send_photos(target, pictures, count)
        answers.frames = tally
    return answers


async def _send(
    target: Target, pictures: Sequence[Picture], numbers: Iterator[int], answers: list[PhotoAnswer]
) -> None:
    with closing(HttpClient(target.port)) as client:
        for number in numbers:
            task = TASKS[number % len(TASKS)]
            picture = pictures[(number + number // len(TASKS)) % len(pictures)]
            began = time.monotonic()
            outcome = await _outcome(client, target.path.format(task=task), picture)
            answers.append(PhotoAnswer(task, outcome, time.monotonic() - began, first=number < len(TASKS)))


async def _outcome(client: HttpClient, path: str, picture: Picture) -> str:
    try:
        answer = await client.post(path, picture.data, picture.content_type)
    except LOST:
        return LOST_OUTCOME
    if answer.status == 200:
        return "200"
    return f"{answer.status} {answer.json().get('code', '')}"
