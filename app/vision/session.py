"""Streams of frames: each answer is for the newest frame, whatever the client's frame rate."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from app.domain.priority import Priority
from app.domain.units import KIB
from app.errors import BadRequest, BallastError, Overloaded, PayloadTooLarge
from app.media.pictures import LivePicture
from app.memory.customer import Customer
from app.memory.governor import Governor
from app.memory.reservation import Reservation
from app.settings import VisionSettings
from app.vision.analysis import Analysis, AnalysisRequest
from app.vision.frames import Frame, NewestSlot, parse_message, picture_of
from app.vision.result import AnalysisResult
from app.vision.task import VisionTask

CLOSE_TOO_LARGE, CLOSE_TRY_LATER, CLOSE_IDLE = 1009, 1013, 4408

STREAM_BYTES = 256 * KIB
"""What a stream holds with small frames; larger ones make it grow."""

_HELD_FRAMES = 3
"""The frame in the slot, the one that is analysed, and the one that is coming in."""

_SMOOTHING = 0.2
"""Weight of the newest answer in the moving average that the advised frame rate is made of."""


class Connection(Protocol):
    """A client, without HTTP."""

    async def receive(self) -> bytes | str | None:
        """Return the next message; None when the client has gone."""

    async def send(self, text: str) -> None: ...

    async def close(self, code: int, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What a client may change while it streams. With `max_fps` at most so many frames a second are analysed."""

    params: Any
    max_fps: float | None = None


Configure = Callable[[StreamOptions, dict[str, Any]], StreamOptions]
"""Returns the options after a `configure` message; raises InvalidParameter."""


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """What a client asks for when it opens a stream."""

    task: type[VisionTask]
    options: StreamOptions
    configure: Configure
    client: str


@dataclass(slots=True)
class StreamCounters:
    """Over all streams; `active` ones are open now."""

    active: int = 0
    frames: int = 0
    dropped: int = 0
    skipped: int = 0


class Streams:
    """Opens sessions, as many as the settings and memory allow, and counts them."""

    def __init__(self, analysis: Analysis, governor: Governor, settings: VisionSettings) -> None:
        self.counters = StreamCounters()
        self.analysis = analysis
        self.governor = governor
        self.settings = settings

    async def serve(self, connection: Connection, request: StreamRequest) -> None:
        """Serve one client until it goes, is idle for too long, or sends a frame above the cap."""
        is_full = self.counters.active >= self.settings.max_streams
        parts = {"frames": STREAM_BYTES}
        buffers = None if is_full else self.governor.budget.try_reserve(parts, owner="stream", priority=Priority.LIVE)
        if buffers is None:
            await connection.close(CLOSE_TRY_LATER, "too many streams are open" if is_full else "memory is tight")
            return
        self.counters.active += 1
        try:
            await StreamSession(self, request, connection, buffers).run()
        finally:
            self.counters.active -= 1
            buffers.release()


class StreamSession:
    """One client's stream: a reader that fills the slot, and a worker that empties it."""

    def __init__(self, streams: Streams, request: StreamRequest, connection: Connection, buffers: Reservation) -> None:
        self._streams = streams
        self._request = request
        self._connection = connection
        self._buffers = buffers
        self._options = request.options
        self._slot = NewestSlot()
        self._tracker = streams.analysis.vision.trackers.open()
        self._received = 0
        self._taken = 0
        self._frame_seconds = 0.0

    async def run(self) -> None:
        """Greet, then serve until the reader ends; nothing is left running after."""
        worker = asyncio.create_task(self._work(), name="stream-worker")
        reader = asyncio.create_task(self._read(), name="stream-reader")
        try:
            await self._send(self._greeting())
            done, _ = await asyncio.wait((worker, reader), return_when=asyncio.FIRST_COMPLETED)
        finally:
            worker.cancel()
            reader.cancel()
            await asyncio.gather(worker, reader, return_exceptions=True)
            self._tracker.close()
        for task in done:
            task.result()

    def _greeting(self) -> dict[str, object]:
        settings = self._streams.settings
        return {
            "type": "ready",
            "task": self._request.task.name,
            "maxFrameBytes": settings.max_bytes,
            "maxWidth": settings.max_width,
            "maxHeight": settings.max_height,
        }

    async def _read(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._streams.settings.stream_idle_seconds):
                    message = await self._connection.receive()
            except TimeoutError:
                await self._connection.close(CLOSE_IDLE, "no message came for too long")
                return
            if message is None:
                return
            try:
                await self._take_message(message)
            except PayloadTooLarge as error:
                await self._connection.close(CLOSE_TOO_LARGE, error.detail)
                return
            except BallastError as error:
                await self._send_error(error, self._received)

    async def _take_message(self, message: bytes | str) -> None:
        if isinstance(message, bytes):
            self._put(message)
            return
        members = parse_message(message)
        match members.pop("type", None):
            case "frame":
                self._put(picture_of(members), members.get("id"))
            case "configure":
                self._options = self._request.configure(self._options, members)
            case "ping":
                await self._send({"type": "pong"})
            case _:
                raise BadRequest("A message has the type frame, configure or ping.")

    def _put(self, picture: bytes, name: object = None) -> None:
        max_bytes = self._streams.settings.max_bytes
        if len(picture) > max_bytes:
            raise PayloadTooLarge(f"a frame may have {max_bytes} bytes")
        self._received += 1
        self._streams.counters.frames += 1
        missing_bytes = _HELD_FRAMES * len(picture) - self._buffers.reserved_bytes
        if missing_bytes > 0 and not self._buffers.grow({"frames": missing_bytes}):
            raise Overloaded("Memory is tight; send smaller frames.", retry_after_seconds=1)
        self._streams.counters.dropped += self._slot.put(Frame(self._received, picture, name))

    async def _work(self) -> None:
        due = 0.0
        while True:
            await self._slot.filled()
            if (wait_seconds := due - time.monotonic()) > 0:
                await asyncio.sleep(wait_seconds)
            began = time.monotonic()
            if self._options.max_fps is not None:
                due = began + 1 / self._options.max_fps
            await self._answer(self._slot.take())

    async def _answer(self, frame: Frame) -> None:
        self._taken += 1
        policy = self._streams.governor.policy
        if self._taken % policy.frame_stride != 0:
            self._streams.counters.skipped += 1
            await self._send({"type": "skipped", "seq": frame.seq, "reason": f"mode {policy.mode}"})
            return
        began = time.monotonic()
        try:
            result = await self._analyze(frame)
        except BallastError as error:
            await self._send_error(error, frame.seq)
            if isinstance(error, Overloaded):  # the next frame would not fare better at once
                await asyncio.sleep(min(error.retry_after_seconds or 1, 1))
            return
        self._learn(time.monotonic() - began)
        await self._connection.send(self._result(frame, result))

    async def _analyze(self, frame: Frame) -> AnalysisResult:
        task, client, governor = self._request.task, self._request.client, self._streams.governor
        customer = Customer(Priority.LIVE, client, governor.settings.wait_seconds)
        vision = self._streams.analysis.vision
        params = vision.resolve(task, self._options.params)
        asked = AnalysisRequest(task, params, client, tracker=self._tracker.current(vision.key(task, params)))
        return await self._streams.analysis.analyze(asked, LivePicture(frame.picture, governor.budget, customer))

    def _learn(self, seconds: float) -> None:
        if self._frame_seconds == 0:
            self._frame_seconds = seconds
        self._frame_seconds += _SMOOTHING * (seconds - self._frame_seconds)

    def _result(self, frame: Frame, result: AnalysisResult) -> str:
        named = {} if frame.id is None else {"id": frame.id}
        members = {"seq": frame.seq, **named, "dropped": self._slot.dropped, "advice": self._advice()}
        return result.to_json(type="result", **members).decode()

    def _advice(self) -> dict[str, object]:
        """What would serve this client best: no more frames than are answered, no more pixels than are looked at."""
        policy, box = self._streams.governor.policy, self._streams.analysis.box()
        return {
            "maxFps": round(max(1.0, policy.frame_stride / max(self._frame_seconds, 0.001)), 1),
            "maxWidth": box.width,
            "maxHeight": box.height,
            "quality": 0.7 if policy.keeps_trackers else 0.6,
        }

    async def _send(self, message: dict[str, object]) -> None:
        await self._connection.send(json.dumps(message, separators=(",", ":")))

    async def _send_error(self, error: BallastError, seq: int) -> None:
        await self._send({"type": "error", "code": error.code, "detail": error.detail, "seq": seq, **error.extra})
