"""Lag of a frame stream: a video's frames over a WebSocket, at 60 a second and at more than any model answers.

    python -m benchmarks.stream [--task hands] [--rounds 3] [--fps 60 240] [--short]

The lag of an answer is the time from sending its frame to having the answer. The bound is twice the median of the
worker's decode and inference time, plus 20 ms: a frame waits at most for the one before it. An answer is for the newest
frame if no later frame had been sent when the answer before it came; "or nearly" allows for those of the last 1/60 s,
which may still have been on their way. Beside it a server without the slot, which answers every frame in its order: it
is calculated, from the times that the same answers took and the least that was added to one of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from dataclasses import dataclass, field
from itertools import cycle, islice, pairwise
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.media import extract_frames
from benchmarks.server import Service, run_service
from benchmarks.table import Measure, percentile, print_heading, print_measures, print_table

VIDEO, WIDTH, HEIGHT = "hand_202_frames.mp4", 640, 360
_ALLOWED_SECONDS = 0.020
_FLIGHT_SECONDS = 1 / 60
_SILENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class StreamAnswer:
    """One answer: `lag_seconds` from sending the frame, `busy_seconds` the worker's decode and inference."""

    seq: int
    received: float
    lag_seconds: float
    busy_seconds: float
    hands: int
    dropped: int


@dataclass
class Round:
    """One connection: when each frame was sent (by seq, from 1), and what came back."""

    sent: dict[int, float] = field(default_factory=dict)
    answers: list[StreamAnswer] = field(default_factory=list)
    skipped: int = 0
    errors: int = 0

    @property
    def unaccounted(self) -> int:
        """Frames sent that were neither answered nor counted as dropped; the last answer leaves none in the slot."""
        dropped = self.answers[-1].dropped if self.answers else 0
        return len(self.sent) - len(self.answers) - self.skipped - self.errors - dropped

    def waited_seconds(self) -> list[float]:
        """Return for each answer how much its lag exceeds its own inference and the one before it."""
        pairs = pairwise(self.answers)
        return [answer.lag_seconds - answer.busy_seconds - before.busy_seconds for before, answer in pairs]

    def outdated(self, flight_seconds: float) -> int:
        """Return how many answers are for a frame that was not the newest when the server could take it.

        Frames sent in the `flight_seconds` before that do not count: they may not have arrived.
        """
        return sum(
            any(sent <= before.received - flight_seconds for seq, sent in self.sent.items() if seq > answer.seq)
            for before, answer in pairwise(self.answers)
        )


def main() -> None:
    arguments = _arguments()
    print_heading("benchmarks.stream", f"{VIDEO} at {WIDTH}x{HEIGHT} over a WebSocket, task {arguments.task}")
    frames = extract_frames(VIDEO, WIDTH, HEIGHT)
    frames = frames[:60] if arguments.short else frames
    results = measure(arguments.task, frames, arguments.fps, 1 if arguments.short else arguments.rounds)
    size = statistics.mean(len(frame) for frame in frames)
    for fps, rounds in results.items():
        print(f"{len(rounds)} x {len(rounds[0].sent)} frames of {size / 1000:.0f} kB at {fps:g} a second\n")
        _print_lags(rounds, fps)
        print()
        print_measures(_summarize(rounds))
        print()
        _print_counts(rounds)
        print()


def measure(task: str, frames: list[bytes], rates: list[float], rounds: int) -> dict[float, list[Round]]:
    """Send the frames at each of the rates in turn, so many rounds; return the rounds by rate.

    At the higher rates they are repeated, so that all rounds take as long.
    """
    results: dict[float, list[Round]] = {fps: [] for fps in rates}
    with run_service() as service:
        _load_model(service, task, frames[0])
        for _ in range(rounds):
            for fps in rates:
                repeated = list(islice(cycle(frames), round(len(frames) * fps / min(rates))))
                results[fps].append(asyncio.run(stream(service.port, task, repeated, fps)))
    return results


async def stream(port: int, task: str, frames: list[bytes], fps: float) -> Round:
    """Send the frames at a steady rate and take the answers until that for the last frame."""
    result = Round()
    address = f"ws://127.0.0.1:{port}/v1/vision/{task}/stream"
    async with connect(address, compression=None, max_size=None) as connection:
        greeting = json.loads(await connection.recv())
        assert greeting["type"] == "ready"
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_receive(connection, result, len(frames)))
            await _send(connection, result, frames, fps)
    return result


async def _send(connection: ClientConnection, result: Round, frames: list[bytes], fps: float) -> None:
    began = time.perf_counter()
    for number, frame in enumerate(frames):
        await asyncio.sleep(max(0.0, began + number / fps - time.perf_counter()))
        result.sent[number + 1] = time.perf_counter()
        await connection.send(frame)


async def _receive(connection: ClientConnection, result: Round, last: int) -> None:
    seq = 0
    while seq < last:
        async with asyncio.timeout(_SILENCE_SECONDS):
            text = await connection.recv()
        received = time.perf_counter()
        message = json.loads(text)
        seq = message["seq"]
        match message["type"]:
            case "result":
                result.answers.append(_answer(message, received, result.sent[seq]))
            case "skipped":
                result.skipped += 1
            case _:
                result.errors += 1


def _answer(message: dict[str, Any], received: float, sent: float) -> StreamAnswer:
    timing = message["timing"]
    return StreamAnswer(
        seq=message["seq"],
        received=received,
        lag_seconds=received - sent,
        busy_seconds=timing["decodeSeconds"] + timing["inferenceSeconds"],
        hands=len(message["detections"]),
        dropped=message["dropped"],
    )


def lags_without_slot(answers: list[StreamAnswer], frames: int, fps: float) -> list[float]:
    """Return the lags where every frame is answered in its order, each taking as long as the next of `answers` did.

    What is added to the worker's time is the least of what was: the others may have waited for the frame before them.
    """
    added = min(answer.lag_seconds - answer.busy_seconds for answer in answers)
    lags, free = [], 0.0
    for number, answer in enumerate(islice(cycle(answers), frames)):
        free = max(free, number / fps) + answer.busy_seconds
        lags.append(free - number / fps + added)
    return lags


def _load_model(service: Service, task: str, frame: bytes) -> None:
    with service.connect() as client:
        for _ in range(5):
            answer = client.post(f"/v1/vision/{task}?cache=false", frame)
            assert answer.status == 200, answer.body


def _print_lags(results: list[Round], fps: float) -> None:
    answers = [answer for result in results for answer in result.answers]
    naive = [lag for result in results for lag in lags_without_slot(result.answers, len(result.sent), fps)]
    rows = []
    for name, values in (
        ("decode + inference in the worker", [answer.busy_seconds for answer in answers]),
        ("lag", [answer.lag_seconds for answer in answers]),
        ("lag without the slot (calculated)", naive),
    ):
        figures = (statistics.median(values), percentile(values, 95), max(values))
        rows.append([name, *(f"{1e3 * value:.1f}" for value in figures)])
    print_table(["milliseconds", "median", "p95", "max"], rows)


def _summarize(results: list[Round]) -> list[Measure]:
    busy = statistics.median(answer.busy_seconds for result in results for answer in result.answers)
    bound_ms = round(1e3 * (2 * busy + _ALLOWED_SECONDS), 1)
    lags = [1e3 * percentile((answer.lag_seconds for answer in result.answers), 95) for result in results]
    beyond = [1e3 * percentile(one.waited_seconds(), 95) for one in results]
    return [
        Measure("lag p95 (bound: 2 x median inference + 20 ms)", lags, "ms", bound_ms),
        Measure("lag beyond its own and the previous inference, p95", beyond, "ms", 1e3 * _ALLOWED_SECONDS),
        Measure("answers for an outdated frame", [one.outdated(_FLIGHT_SECONDS) for one in results], "", 0, 0),
        Measure("frames not accounted for", [abs(one.unaccounted) for one in results], "", 0, 0),
    ]


def _print_counts(results: list[Round]) -> None:
    header = [
        "round",
        "sent",
        "answered",
        "dropped",
        "skipped",
        "errors",
        "for the newest",
        "or nearly",
        "with a hand",
    ]
    rows = []
    for number, result in enumerate(results, 1):
        answered = len(result.answers)
        rows.append(
            [
                number,
                len(result.sent),
                answered,
                result.answers[-1].dropped,
                result.skipped,
                result.errors,
                answered - result.outdated(0),
                answered - result.outdated(_FLIGHT_SECONDS),
                sum(answer.hands > 0 for answer in result.answers),
            ]
        )
    print_table(header, rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="hands", choices=["hands", "gestures"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--fps", type=float, nargs="+", default=[60.0, 240.0], help="frames a second, one or more rates"
    )
    parser.add_argument("--short", action="store_true", help="one round of 60 frames at each rate")
    return parser.parse_args()


if __name__ == "__main__":
    main()
