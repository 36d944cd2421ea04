"""One stream of frames: each answer is for the newest frame, whatever the client's frame rate."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from app.domain.priority import Priority
from app.errors import BadRequest, BallastError, Overloaded, PayloadTooLarge, TooManyRequests
from app.media.live_picture import LivePicture
from app.memory.customer import Customer
from app.vision.analysis import AnalysisRequest
from app.vision.frames import Frame, StreamBuffers
from app.vision.intake import FrameIntake
from app.vision.messages import Message, MessageRate, TextMessage, parse_message
from app.vision.result import AnalysisResult
from app.vision.stream_tools import StreamTools
from app.vision.task import VisionTask

CLOSE_POLICY, CLOSE_TOO_LARGE, CLOSE_IDLE = 1008, 1009, 4408

_SMOOTHING = 0.2
"""Weight of the newest answer in the moving average that the advised frame rate is made of."""


class Connection(Protocol):
    """A client, without HTTP."""

    async def receive(self) -> Message | None:
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


class StreamSession:
    """One client's stream: a reader that fills the slot, and a worker that empties it."""

    def __init__(
        self, tools: StreamTools, request: StreamRequest, connection: Connection, buffers: StreamBuffers
    ) -> None:
        self._tools = tools
        self._request = request
        self._connection = connection
        self._options = request.options
        self._intake = FrameIntake(buffers, tools.counters, tools.settings.max_bytes)
        self._sending = asyncio.Lock()
        self._rate = MessageRate()
        self._tracker = tools.analysis.vision.trackers.open()
        self._taken = 0
        self._frame_seconds = 0.0

    async def run(self) -> None:
        """Greet, then serve until the reader ends; nothing is left running or held after."""
        worker = asyncio.create_task(self._work(), name="stream-worker")
        reader = asyncio.create_task(self._read(), name="stream-reader")
        try:
            await self._send(self._greeting())
            done, _ = await asyncio.wait((worker, reader), return_when=asyncio.FIRST_COMPLETED)
        finally:
            worker.cancel()
            reader.cancel()
            await asyncio.gather(worker, reader, return_exceptions=True)
            self._intake.slot.clear()
            self._tracker.close()
        for task in done:
            task.result()

    def _greeting(self) -> dict[str, object]:
        settings = self._tools.settings
        return {
            "type": "ready",
            "task": self._request.task.name,
            "maxFrameBytes": settings.max_bytes,
            "maxWidth": settings.max_width,
            "maxHeight": settings.max_height,
        }

    async def _read(self) -> None:
        while True:
            async with self._sending:  # nothing is read while the client does not take what it is sent
                pass
            try:
                async with asyncio.timeout(self._tools.settings.stream_idle_seconds):
                    message = await self._connection.receive()
            except TimeoutError:
                await self._connection.close(CLOSE_IDLE, "no message came for too long")
                return
            if message is None:
                return
            failure = await self._take(message)
            del message  # or it would be held until the next one has come
            if failure is not None and not await self._goes_on_after(failure):
                return

    async def _take(self, message: Message) -> BallastError | None:
        """Take a message in; return what is wrong with it."""
        try:
            if (seconds := self._rate.spend(len(message.data))) > 0:
                await asyncio.sleep(seconds)
            if isinstance(message.data, bytes):
                self._intake.take(message.data, message.loan)
            else:
                await self._take_text(parse_message(message.data))
        except BallastError as error:
            return _bare(error)
        return None

    async def _goes_on_after(self, failure: BallastError) -> bool:
        """Say what is wrong with a message, and end the stream where that is the end of it."""
        if isinstance(failure, PayloadTooLarge):
            await self._connection.close(CLOSE_TOO_LARGE, failure.detail)
            return False
        await self._send_error(failure, self._intake.received)
        if isinstance(failure, TooManyRequests):
            await self._connection.close(CLOSE_POLICY, failure.detail)
            return False
        return True

    async def _take_text(self, message: TextMessage) -> None:
        match message.members.pop("type", None):
            case "frame":
                self._intake.take_encoded(message.encoded(), message.id)
            case "configure":
                self._options = self._request.configure(self._options, message.members)
            case "ping":
                await self._send({"type": "pong"})
            case _:
                raise BadRequest("A message has the type frame, configure or ping.")

    async def _work(self) -> None:
        due = 0.0
        while True:
            await self._intake.slot.filled()
            if (wait_seconds := due - time.monotonic()) > 0:
                await asyncio.sleep(wait_seconds)
            began = time.monotonic()
            if self._options.max_fps is not None:
                due = began + 1 / self._options.max_fps
            await self._answer(self._intake.slot.take())

    async def _answer(self, frame: Frame) -> None:
        self._taken += 1
        policy = self._tools.governor.policy
        if self._taken % policy.frame_stride != 0:
            frame.release()
            self._tools.counters.skipped += 1
            await self._send({"type": "skipped", "seq": frame.seq, "reason": f"mode {policy.mode}"})
            return
        began = time.monotonic()
        try:
            result: AnalysisResult | BallastError = await self._analyze(frame)
        except BallastError as error:
            result = _bare(error)
        finally:
            frame.release()  # before the client takes the answer: it need not do that soon
        if isinstance(result, BallastError):
            await self._send_error(result, frame.seq)
            if isinstance(result, Overloaded):  # the next frame would not fare better at once
                await asyncio.sleep(min(result.retry_after_seconds or 1, 1))
            return
        self._learn(time.monotonic() - began)
        await self._send_text(self._result(frame, result))

    async def _analyze(self, frame: Frame) -> AnalysisResult:
        task, client, tools = self._request.task, self._request.client, self._tools
        customer = Customer(Priority.LIVE, client, tools.governor.settings.wait_seconds)
        vision = tools.analysis.vision
        params = vision.resolve(task, self._options.params)
        asked = AnalysisRequest(task, params, client, tracker=self._tracker.current(vision.key(task, params)))
        picture = LivePicture(frame.take_picture(), frame.loan, tools.pictures, customer, self._intake.make_room)
        self._intake.at_work = picture
        try:
            return await tools.analysis.analyze(asked, picture)
        finally:
            self._intake.at_work = None
            await picture.aclose()

    def _learn(self, seconds: float) -> None:
        if self._frame_seconds == 0:
            self._frame_seconds = seconds
        self._frame_seconds += _SMOOTHING * (seconds - self._frame_seconds)

    def _result(self, frame: Frame, result: AnalysisResult) -> str:
        named = {} if frame.id is None else {"id": frame.id}
        members = {"seq": frame.seq, **named, "dropped": self._intake.slot.dropped, "advice": self._advice()}
        return result.to_json(type="result", **members).decode()

    def _advice(self) -> dict[str, object]:
        """What would serve this client best: no more frames than are answered, no more pixels than are looked at."""
        policy, box = self._tools.governor.policy, self._tools.analysis.box()
        return {
            "maxFps": round(max(1.0, policy.frame_stride / max(self._frame_seconds, 0.001)), 1),
            "maxWidth": box.width,
            "maxHeight": box.height,
            "quality": 0.7 if policy.keeps_trackers else 0.6,
        }

    async def _send_error(self, error: BallastError, seq: int) -> None:
        await self._send({"type": "error", "code": error.code, "detail": error.detail, "seq": seq, **error.extra})

    async def _send(self, message: dict[str, object]) -> None:
        await self._send_text(json.dumps(message, separators=(",", ":")))

    async def _send_text(self, text: str) -> None:
        async with self._sending:
            await self._connection.send(text)


def _bare(error: BallastError) -> BallastError:
    """Return an error without the frames that it came through, in which there are pictures."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
