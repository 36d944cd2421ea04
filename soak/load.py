"""The load: photos, frame streams, one large upload, and a probe of liveness beside them."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from app.domain.units import KIB
from soak.http import LOST, Answer, HttpClient, pause_seconds
from soak.pictures import Pictures
from soak.plan import SoakPlan
from soak.tally import Tally

_ATTEMPTS = 5
_LONGEST_PAUSE_SECONDS = 5.0
_LIVE_PERIOD_SECONDS = 0.05
_RECONNECT_SECONDS = 1.0
_UPLOAD_SECONDS = 1800.0
_UPLOAD_PIECE_BYTES = 256 * KIB
_MASKS = ("segmentation",)
"""Tasks that answer a picture, unless JSON is asked for."""

_UPLOAD_HEAD = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"
"""What an MP4 file begins with (ISO/IEC 14496-12); the rest of the upload is noise."""


class Load:
    """All generators of one soak, on one event loop."""

    def __init__(self, plan: SoakPlan, tasks: Sequence[str], port: int, pictures: Pictures, tally: Tally) -> None:
        """`tasks` are those of the service that the plan means."""
        self._plan = plan
        self._tasks = tasks
        self._port = port
        self._pictures = pictures
        self._tally = tally
        self._numbers = itertools.count()

    async def run(self, *others: Coroutine[Any, Any, None]) -> None:
        """Drive everything at once, `others` too, until the photos are done and the upload is in."""
        tally, plan = self._tally, self._plan
        tally.started = time.monotonic()
        async with asyncio.TaskGroup() as lasting:
            beside = [lasting.create_task(self._probe_live()), lasting.create_task(self._watch_self())]
            beside += [lasting.create_task(self._stream(number)) for number in range(plan.streams)]
            beside += [lasting.create_task(other) for other in others]
            async with asyncio.TaskGroup() as ending:
                for _ in range(plan.in_flight):
                    ending.create_task(self._send_photos())
                if plan.upload_bytes:
                    ending.create_task(self._upload())
            tally.ended = time.monotonic()
            for task in beside:
                task.cancel()

    def _wants_more(self, number: int) -> bool:
        if self._plan.minutes is None:
            return number < self._plan.photos
        return self._tally.elapsed_seconds < self._plan.minutes * 60

    async def _send_photos(self) -> None:
        client = HttpClient(self._port)
        try:
            while self._wants_more(number := next(self._numbers)):
                await self._send_photo(client, number)
        finally:
            client.close()

    async def _send_photo(self, client: HttpClient, number: int) -> None:
        """Have the photo of this number analysed, asking again when the service says so."""
        tally, task = self._tally, self._tasks[number % len(self._tasks)]
        picture = self._pictures.photos[number // len(self._tasks) % len(self._pictures.photos)]
        path = f"/v1/vision/{task}?cache=false" + ("&as=json" if task in _MASKS else "")
        head = client.head("POST", path, len(picture.data), picture.content_type)
        for attempt in range(_ATTEMPTS):
            began = time.monotonic()
            try:
                answer = await client.exchange(head, picture.data)
            except LOST as error:
                tally.lose("photo", error)
                await asyncio.sleep(_RECONNECT_SECONDS)
                continue
            tally.photo_seconds.append(time.monotonic() - began)
            self._count_photo(answer, task, first=attempt == 0)
            if answer.status != 503:
                break
            await asyncio.sleep(min(pause_seconds(answer), _LONGEST_PAUSE_SECONDS))
        tally.photos_done += 1

    def _count_photo(self, answer: Answer, task: str, *, first: bool) -> None:
        tally = self._tally
        report = answer.json()
        name = "200" if answer.status == 200 else f"{answer.status} {report.get('code')}"
        tally.photo_answers[name] += 1
        if answer.status == 200:
            tally.first_try += first
            tally.photo_modes[report["mode"]] += 1
            tally.photo_tasks[task] += 1
        elif answer.status != 503 or "retry-after" not in answer.headers:
            tally.wrong_answers[f"{task}: {name}: {report.get('detail')}"] += 1

    async def _stream(self, number: int) -> None:
        """Keep one stream going; one that the service closes is counted as lost and opened again."""
        task = self._tasks[number % len(self._tasks)]
        address = f"ws://127.0.0.1:{self._port}/v1/vision/{task}/stream"
        while True:
            try:
                async with connect(address, compression=None, max_size=None, close_timeout=2) as connection:
                    await self._run_stream(connection)
            except (WebSocketException, OSError) as error:
                self._tally.lose(f"stream {number}", error)
                await asyncio.sleep(_RECONNECT_SECONDS)

    async def _run_stream(self, connection: ClientConnection) -> None:
        sent_at: dict[int, float] = {}
        sender = asyncio.create_task(self._send_frames(connection, sent_at))
        try:
            async for message in connection:
                self._count_frame(json.loads(message), sent_at)
            raise ConnectionError(f"closed with {connection.close_code} {connection.close_reason}")
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    async def _send_frames(self, connection: ClientConnection, sent_at: dict[int, float]) -> None:
        began = time.monotonic()
        for seq in itertools.count(1):
            picture = self._pictures.frames[seq % len(self._pictures.frames)]
            sent_at[seq] = time.monotonic()
            await connection.send(picture.data)
            self._tally.frames_sent += 1
            await asyncio.sleep(began + seq / self._plan.frames_per_second - time.monotonic())

    def _count_frame(self, message: dict[str, object], sent_at: dict[int, float]) -> None:
        tally, kind = self._tally, str(message["type"])
        if kind == "ready":
            return
        name = f"error {message['code']}" if kind == "error" else kind
        tally.frame_answers[name] += 1
        if kind == "error" and message["code"] not in ("overloaded", "queue_full"):
            tally.wrong_answers[f"stream: {name}: {message['detail']}"] += 1
        seq = int(str(message["seq"]))
        if kind == "result":
            tally.frame_modes[str(message["mode"])] += 1
            tally.frame_seconds.append(time.monotonic() - sent_at[seq])
        for older in [known for known in sent_at if known <= seq]:
            del sent_at[older]

    async def _upload(self) -> None:
        """Send one large file as fast as it is taken, in constant memory."""
        tally, size = self._tally, self._plan.upload_bytes
        client = HttpClient(self._port)
        began = time.monotonic()
        try:
            async with asyncio.timeout(_UPLOAD_SECONDS):
                writer = await client.open()
                writer.write(client.head("POST", "/v1/media?inline=never&name=soak.mp4", size, "video/mp4"))
                await send_file(writer, size, self._count_upload)
                answer = await client.answer()
            tally.upload_status = answer.status
            if answer.status not in (201, 503):
                tally.wrong_answers[f"upload: {answer.status} {answer.json().get('code')}"] += 1
        except LOST as error:
            tally.lose("upload", error)
        finally:
            client.close()
            tally.upload_seconds = time.monotonic() - began

    def _count_upload(self, nbytes: int) -> None:
        self._tally.uploaded_bytes += nbytes

    async def _probe_live(self) -> None:
        client = HttpClient(self._port)
        try:
            while True:
                began = time.monotonic()
                try:
                    answer = await client.get("/health/live")
                except LOST as error:
                    self._tally.lose("live", error)
                else:
                    self._tally.live_seconds.append(time.monotonic() - began)
                    if answer.status != 200:
                        self._tally.wrong_answers[f"/health/live: {answer.status}"] += 1
                await asyncio.sleep(_LIVE_PERIOD_SECONDS)
        finally:
            client.close()

    async def _watch_self(self) -> None:
        """Measure how late our own loop is: that part of each measured time is ours, not the service's."""
        while True:
            due = time.monotonic() + _LIVE_PERIOD_SECONDS
            await asyncio.sleep(_LIVE_PERIOD_SECONDS)
            self._tally.own_seconds.append(max(0.0, time.monotonic() - due))


async def send_file(writer: asyncio.StreamWriter, size: int, count: Callable[[int], None]) -> None:
    """Write `size` bytes that begin as an MP4 file does, holding one piece of them; `count` is told of each piece."""
    noise = random.Random(0).randbytes(_UPLOAD_PIECE_BYTES)
    piece = _UPLOAD_HEAD + noise[len(_UPLOAD_HEAD) :]
    left = size
    while left > 0:
        sent = piece[:left]
        writer.write(sent)
        await writer.drain()
        left -= len(sent)
        count(len(sent))
        piece = noise
