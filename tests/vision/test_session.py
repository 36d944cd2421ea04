"""Stream sessions with a client and an analysis that do what the test says."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from app.domain.analysis_size import AnalysisSize
from app.domain.pressure import POLICIES, ModePolicy, PressureLevel, ProcessingMode
from app.domain.priority import Priority
from app.domain.receipt import Receipt
from app.domain.units import KIB
from app.errors import BallastError, InvalidMedia, InvalidParameter, Overloaded
from app.media.pictures import Pictures
from app.memory.allowance import Allowance
from app.memory.budget import MemoryBudget
from app.memory.governor import Governor
from app.settings import MemorySettings, VisionSettings
from app.storage.threads import DiskThreads
from app.vision.analysis import Analysis, AnalysisRequest
from app.vision.frames import STREAM_BYTES
from app.vision.messages import Message
from app.vision.model_key import ModelKey
from app.vision.plan import Output
from app.vision.result import AnalysisResult
from app.vision.session import StreamOptions, StreamRequest
from app.vision.streams import Streams
from app.vision.task import Model, VisionTask
from tests.leaks import Leaks
from tests.storage.scratches import scratch_in
from tests.workers.pools import until

MAX_BYTES = 1000


class Toes(VisionTask):
    name = "toes"

    @classmethod
    def load(cls, asset: Path, params: Any) -> Model:
        raise NotImplementedError


class Client:
    """The other end of a stream: `messages` is what it sends, None hangs up; `answers` is what it got."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[bytes | str | Message | None] = asyncio.Queue()
        self.answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.closed: tuple[int, str] | None = None
        self.broken = False
        self.reads = asyncio.Event()
        self.reads.set()
        self.last_loan: FakeLoan | None = None

    async def receive(self) -> Message | None:
        if self.last_loan is not None:
            self.last_loan.next_is_asked_for()
        message = await self.messages.get()
        if isinstance(message, bytes | str):
            message = Message(message)
        self.last_loan = cast("FakeLoan | None", message.loan) if message is not None else None
        return message

    async def send(self, text: str) -> None:
        if self.broken:
            raise ConnectionResetError
        await self.reads.wait()
        self.answers.put_nowait(json.loads(text, parse_constant=_no_constant))

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def say(self, **members: object) -> None:
        self.messages.put_nowait(json.dumps(members))

    async def answer(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            return await self.answers.get()


@dataclass
class FakeLoan:
    """The bytes of a message, as the front charges them."""

    is_taken: bool = False
    is_held: bool = True

    def take(self) -> None:
        assert self.is_held
        self.is_taken = True

    def release(self) -> None:
        self.is_held = False

    def next_is_asked_for(self) -> None:
        if not self.is_taken:
            self.is_held = False


def _no_constant(name: str) -> object:
    raise AssertionError(f"{name} is not JSON")


@dataclass
class FakeTracker:
    is_open: bool = True

    def current(self, *_: object) -> None:
        return None

    def close(self) -> None:
        self.is_open = False


@dataclass
class FakeAnalysis:
    """Answers when it is let; what it was asked is in `seen`, what it had when it had its `parts` in `worked_on`."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    error: BallastError | Exception | None = None
    parts: dict[str, int] = field(default_factory=dict)
    seen: list[tuple[bytes, Any]] = field(default_factory=list)
    worked_on: list[bytes] = field(default_factory=list)
    began: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    trackers_opened: list[FakeTracker] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()
        self.vision = self.trackers = self

    def open(self) -> FakeTracker:
        self.trackers_opened.append(FakeTracker())
        return self.trackers_opened[-1]

    def resolve(self, _task: object, params: object) -> object:
        return params

    def key(self, task: type[VisionTask], params: object) -> ModelKey:
        return ModelKey(task, Path("toes.task"), params)

    def box(self) -> AnalysisSize:
        return AnalysisSize(640, 480)

    async def analyze(self, request: AnalysisRequest, picture: Any) -> AnalysisResult:
        data = picture.data
        self.seen.append((data, request.params))
        self.began.put_nowait(data)
        await self.gate.wait()
        async with picture.granted(self.parts, "vision:toes"):
            self.worked_on.append(picture.data)
        if self.error is not None:
            raise self.error
        receipt = Receipt(1, 1, ProcessingMode.FULL_QUALITY)
        return AnalysisResult(
            task=request.task.name, model="toes", width=4, height=3, analyzed_width=4, analyzed_height=3,
            output=Output.DETECTIONS, payload=b"[]", queued_seconds=0.0, decode_seconds=0.001, inference_seconds=0.002,
            receipt=receipt,
        )  # fmt: skip


@dataclass
class FakeGovernor:
    budget: MemoryBudget
    level: PressureLevel = PressureLevel.LOW
    settings: MemorySettings = field(default_factory=MemorySettings)

    @property
    def policy(self) -> ModePolicy:
        return POLICIES[self.level]


@dataclass
class House:
    governor: FakeGovernor
    analysis: FakeAnalysis
    streams: Streams

    @asynccontextmanager
    async def stream(self, max_fps: float | None = None) -> AsyncIterator[Client]:
        """Open a stream that has greeted; it is hung up and ended after the block."""
        client = Client()
        serving = asyncio.create_task(self.streams.serve(client, request(max_fps)))
        try:
            assert (await client.answer())["type"] == "ready"
            yield client
        finally:
            client.messages.put_nowait(None)
            async with asyncio.timeout(5):
                await serving


def configure(present: StreamOptions, change: dict[str, Any]) -> StreamOptions:
    if "wrong" in change:
        raise InvalidParameter("wrong: it is.")
    return StreamOptions({**present.params, **change}, present.max_fps)


def request(max_fps: float | None = None) -> StreamRequest:
    return StreamRequest(Toes, StreamOptions({"toes": 5}, max_fps), configure, "me")


@pytest.fixture
def budget(leaks: Leaks) -> MemoryBudget:
    budget = MemoryBudget(1 << 30, working_set=lambda: 0)
    leaks.watch(budget)
    return budget


@pytest.fixture
async def pictures(budget: MemoryBudget, tmp_path: Path) -> AsyncIterator[Pictures]:
    disk = DiskThreads(threads=2)
    temp_files, scratch = scratch_in(tmp_path / "tmp", disk)
    await temp_files.open()
    yield Pictures(budget, Allowance(lambda: 10**9), scratch, disk, Priority.LIVE, 10)
    assert temp_files.statistics().count == 0
    await disk.aclose()


@pytest.fixture
def build(budget: MemoryBudget, pictures: Pictures) -> Callable[..., House]:
    def build(**settings: Any) -> House:
        governor, analysis = FakeGovernor(budget), FakeAnalysis()
        vision = VisionSettings(**{"max_bytes": MAX_BYTES, **settings})
        streams = Streams(cast("Analysis", analysis), cast("Governor", governor), pictures, vision)
        return House(governor, analysis, streams)

    return build


@pytest.fixture
async def house(build: Callable[..., House]) -> House:
    return build()


async def test_each_frame_is_answered_in_its_turn(house: House) -> None:
    async with house.stream() as client:
        for number in (1, 2, 3):
            client.messages.put_nowait(b"frame")
            result = await client.answer()

            assert (result["type"], result["seq"], result["dropped"]) == ("result", number, 0)


async def test_while_one_frame_is_analysed_only_the_newest_waits(house: House) -> None:
    house.analysis.gate.clear()
    async with house.stream() as client:
        client.messages.put_nowait(b"1")
        await house.analysis.began.get()
        for number in range(2, 11):
            client.messages.put_nowait(str(number).encode())
        client.say(type="ping")
        assert await client.answer() == {"type": "pong"}

        house.analysis.gate.set()
        first, second = await client.answer(), await client.answer()

    assert [picture for picture, _ in house.analysis.seen] == [b"1", b"10"]
    assert (first["seq"], second["seq"], second["dropped"]) == (1, 10, 8)


async def test_counters_add_up_over_streams(house: House) -> None:
    for _ in range(2):
        house.analysis.gate.clear()
        async with house.stream() as client:
            for number in range(4):
                client.messages.put_nowait(str(number).encode())
            client.say(type="ping")
            await client.answer()
            active = house.streams.counters.active
            house.analysis.gate.set()
            await client.answer()

    counters = house.streams.counters
    assert (active, counters.active, counters.frames) == (1, 0, 8)
    assert counters.dropped >= 4


async def test_a_dropped_frame_is_counted_while_its_stream_is_open(house: House) -> None:
    house.analysis.gate.clear()
    async with house.stream() as client:
        client.messages.put_nowait(b"1")
        await house.analysis.began.get()
        for number in (b"2", b"3", b"4"):
            client.messages.put_nowait(number)
        client.say(type="ping")
        await client.answer()

        assert house.streams.counters.dropped == 2
        house.analysis.gate.set()

    assert house.streams.counters.dropped == 2


@pytest.mark.parametrize("name", [0, 17, -1.5, "", "frame 1", "é" * 128])
async def test_a_name_comes_back_with_the_answer(house: House, name: object) -> None:
    async with house.stream() as client:
        client.say(type="frame", image="YQ==", id=name)

        assert (await client.answer())["id"] == name


@pytest.mark.parametrize("name", [{"n": 1}, [1], True, "x" * 129, 10**200])
async def test_a_name_that_is_no_short_text_and_no_number_is_an_error(house: House, name: object) -> None:
    async with house.stream() as client:
        client.say(type="frame", image="YQ==", id=name)

        assert (await client.answer())["code"] == "bad_request"


async def test_a_frame_that_fails_is_an_error_and_the_next_one_is_answered(house: House) -> None:
    async with house.stream() as client:
        house.analysis.error = InvalidMedia("It is broken.", why="so")
        client.messages.put_nowait(b"bad")
        error = await client.answer()
        house.analysis.error = None
        client.messages.put_nowait(b"good")
        result = await client.answer()

    assert error == {"type": "error", "code": "invalid_media", "detail": "It is broken.", "seq": 1, "why": "so"}
    assert (result["type"], result["seq"]) == ("result", 2)


async def test_no_room_for_a_frame_is_an_error_and_not_the_end(house: House) -> None:
    async with house.stream() as client:
        house.analysis.error = Overloaded("Memory is tight.", retry_after_seconds=0)
        client.messages.put_nowait(b"1")
        error = await client.answer()
        client.say(type="ping")
        pong = await client.answer()

    assert (error["type"], error["code"]) == ("error", "overloaded")
    assert pong == {"type": "pong"}


@pytest.mark.parametrize(
    "text", ["", "x", "[]", "null", "{}", '{"type": "x"}', '{"type": {}}', "[" * 100_000, "1" * 5000]
)
async def test_text_that_is_no_message_is_an_error(house: House, text: str) -> None:
    async with house.stream() as client:
        client.messages.put_nowait(text)
        error = await client.answer()

        assert (error["type"], error["code"], error["seq"]) == ("error", "bad_request", 0)


async def test_a_name_that_is_no_json_is_not_given_back(house: House) -> None:
    async with house.stream() as client:
        client.messages.put_nowait('{"type": "frame", "image": "YQ==", "id": NaN}')

        await client.answer()


async def test_options_change_with_the_next_frame_and_stay_where_the_change_is_wrong(house: House) -> None:
    async with house.stream() as client:
        client.say(type="configure", toes=7)
        client.say(type="configure", wrong=1)
        error = await client.answer()
        client.messages.put_nowait(b"frame")
        await client.answer()

    assert error["code"] == "invalid_parameter"
    assert house.analysis.seen[0][1] == {"toes": 7}


async def test_frames_are_skipped_and_told_where_the_mode_says_so(house: House) -> None:
    house.governor.level = PressureLevel.HIGH
    async with house.stream() as client:
        answers = []
        for _ in range(4):
            client.messages.put_nowait(b"frame")
            answers.append(await client.answer())

    assert [answer["type"] for answer in answers] == ["skipped", "result", "skipped", "result"]
    assert answers[0] == {"type": "skipped", "seq": 1, "reason": "mode MEMORY_OPTIMIZED"}
    assert house.streams.counters.skipped == 2


async def test_a_frame_above_the_cap_closes_the_stream(house: House) -> None:
    async with house.stream() as client:
        client.messages.put_nowait(b"x" * (MAX_BYTES + 1))

    assert client.closed is not None
    assert client.closed[0] == 1009
    assert house.analysis.seen == []


async def test_a_frame_of_the_cap_is_analysed(house: House) -> None:
    async with house.stream() as client:
        client.messages.put_nowait(b"x" * MAX_BYTES)

        assert (await client.answer())["type"] == "result"


async def test_a_silent_client_is_hung_up_on(build: Callable[..., House]) -> None:
    house = build(stream_idle_seconds=0.01)
    client = Client()

    await house.streams.serve(client, request())

    assert client.closed is not None
    assert client.closed[0] == 4408
    assert house.streams.counters.active == 0


async def test_one_stream_too_many_is_told_to_come_later(build: Callable[..., House]) -> None:
    house = build(max_streams=1)
    async with house.stream():
        second = Client()
        await house.streams.serve(second, request())

    assert second.closed is not None
    assert second.closed[0] == 1013
    assert second.answers.empty()


async def test_a_stream_that_memory_has_no_room_for_is_told_to_come_later(house: House, budget: MemoryBudget) -> None:
    client = Client()
    everything = budget.record({"all": budget.free_bytes}, owner="test")

    await house.streams.serve(client, request())
    everything.release()

    assert client.closed is not None
    assert client.closed[0] == 1013
    assert house.streams.counters.active == 0


async def test_an_analysis_in_flight_ends_with_its_stream(house: House) -> None:
    house.analysis.gate.clear()
    async with house.stream() as client:
        client.messages.put_nowait(b"frame")
        await house.analysis.began.get()

    assert house.streams.counters.active == 0
    assert not any(tracker.is_open for tracker in house.analysis.trackers_opened)


async def test_an_error_that_nobody_foresaw_ends_the_stream_and_leaves_nothing(house: House) -> None:
    house.analysis.error = RuntimeError("surprise")
    client = Client()
    client.messages.put_nowait(b"frame")

    with pytest.raises(RuntimeError, match="surprise"):
        await house.streams.serve(client, request())

    assert house.streams.counters.active == 0
    assert not any(tracker.is_open for tracker in house.analysis.trackers_opened)


async def test_a_client_that_is_gone_before_the_greeting_leaves_nothing(house: House) -> None:
    client = Client()
    client.broken = True

    with pytest.raises(ConnectionResetError):
        await house.streams.serve(client, request())

    assert house.streams.counters.active == 0
    assert not any(tracker.is_open for tracker in house.analysis.trackers_opened)


async def test_advice_is_no_more_frames_than_are_answered(house: House) -> None:
    async with house.stream() as client:
        client.messages.put_nowait(b"frame")
        advice = (await client.answer())["advice"]

    assert (advice["maxWidth"], advice["maxHeight"]) == (640, 480)
    assert advice["maxFps"] >= 1
    assert 0 < advice["quality"] <= 1


async def test_with_a_frame_rate_the_newest_frame_is_waited_for(house: House) -> None:
    """Two frames are due at once; the third is due in an hour, and by then a newer one is there."""
    async with house.stream(max_fps=1 / 3600) as client:
        client.messages.put_nowait(b"1")
        await client.answer()
        for number in (b"2", b"3"):
            client.messages.put_nowait(number)
        client.say(type="ping")

        assert await client.answer() == {"type": "pong"}

    assert [picture for picture, _ in house.analysis.seen] == [b"1"]
    assert house.streams.counters.dropped == 1


LARGE = b"x" * 100 * KIB
"""A frame that is charged by itself."""


async def until_read(client: Client) -> None:
    """Wait until everything that was sent is read."""
    client.say(type="ping")
    assert await client.answer() == {"type": "pong"}


def text_of(picture: bytes) -> str:
    return json.dumps({"type": "frame", "image": base64.b64encode(picture).decode()})


class TestMemory:
    @pytest.fixture
    async def house(self, build: Callable[..., House]) -> House:
        return build(max_bytes=1 << 20)

    async def test_a_small_frame_is_covered_by_what_a_stream_has_reserved(
        self, house: House, budget: MemoryBudget
    ) -> None:
        house.analysis.gate.clear()
        async with house.stream() as client:
            for _ in range(3):
                client.messages.put_nowait(b"x" * 64 * KIB)
            await until_read(client)
            reserved_bytes = budget.reserved_bytes
            house.analysis.gate.set()

        assert reserved_bytes == STREAM_BYTES

    @pytest.mark.parametrize("as_text", [False, True])
    async def test_large_frames_are_charged_while_they_are_there(
        self, house: House, budget: MemoryBudget, as_text: bool
    ) -> None:
        house.analysis.gate.clear()
        async with house.stream() as client:
            client.messages.put_nowait(text_of(LARGE) if as_text else LARGE)
            await house.analysis.began.get()
            one = budget.reserved_bytes
            for _ in range(3):
                client.messages.put_nowait(text_of(LARGE) if as_text else LARGE)
            await until_read(client)
            two = budget.reserved_bytes
            house.analysis.gate.set()
            await client.answer()
            await client.answer()

            assert (one, two) == (STREAM_BYTES + len(LARGE), STREAM_BYTES + 2 * len(LARGE))
            assert budget.reserved_bytes == STREAM_BYTES

    async def test_a_large_frame_whose_bytes_are_not_free_is_an_error(self, house: House, budget: MemoryBudget) -> None:
        async with house.stream() as client:
            everything = budget.record({"all": budget.free_bytes}, owner="test")
            client.messages.put_nowait(LARGE)
            error = await client.answer()
            client.messages.put_nowait(text_of(LARGE))
            error_of_text = await client.answer()
            everything.release()

        assert (error["code"], error_of_text["code"]) == ("overloaded", "overloaded")

    async def test_what_is_no_base64_holds_nothing(self, house: House, budget: MemoryBudget) -> None:
        async with house.stream() as client:
            client.say(type="frame", image="%" * len(LARGE) * 2)

            assert (await client.answer())["code"] == "bad_request"
            assert budget.reserved_bytes == STREAM_BYTES

    async def test_a_loan_is_kept_until_the_frame_is_looked_at_or_replaced(
        self, house: House, budget: MemoryBudget
    ) -> None:
        house.analysis.gate.clear()
        loans = [FakeLoan() for _ in range(3)]
        async with house.stream() as client:
            client.messages.put_nowait(Message(LARGE, loans[0]))
            await house.analysis.began.get()
            for loan in loans[1:]:
                client.messages.put_nowait(Message(LARGE, loan))
            await until_read(client)
            at_work = [loan.is_held for loan in loans]
            reserved_bytes = budget.reserved_bytes
            house.analysis.gate.set()
            await client.answer()
            await client.answer()

            assert at_work == [True, False, True]
            assert [loan.is_held for loan in loans] == [False] * 3
            assert reserved_bytes == STREAM_BYTES

    async def test_a_loan_ends_when_the_frame_is_skipped_fails_or_is_no_frame(self, house: House) -> None:
        loans = [FakeLoan() for _ in range(3)]
        async with house.stream() as client:
            client.messages.put_nowait(Message(text_of(LARGE), loans[0]))
            await client.answer()
            house.analysis.error = InvalidMedia("broken")
            client.messages.put_nowait(Message(LARGE, loans[1]))
            await client.answer()
            house.governor.level = PressureLevel.HIGH
            client.messages.put_nowait(Message(LARGE, loans[2]))
            await client.answer()
            await until_read(client)

            assert [loan.is_taken for loan in loans] == [False, True, True]
            assert [loan.is_held for loan in loans] == [False] * 3

    async def test_loans_end_with_the_stream(self, house: House) -> None:
        house.analysis.gate.clear()
        loans = [FakeLoan() for _ in range(2)]
        async with house.stream() as client:
            client.messages.put_nowait(Message(LARGE, loans[0]))
            await house.analysis.began.get()
            client.messages.put_nowait(Message(LARGE, loans[1]))
            await until_read(client)

        assert [loan.is_held for loan in loans] == [False] * 2

    async def test_a_picture_is_gone_before_its_answer_is_taken(self, house: House) -> None:
        loan = FakeLoan()
        async with house.stream() as client:
            client.reads.clear()
            client.messages.put_nowait(Message(LARGE, loan))
            await until(lambda: not loan.is_held)

            assert client.answers.empty()
            client.reads.set()
            assert (await client.answer())["type"] == "result"

    @pytest.mark.parametrize("error", [None, InvalidMedia("broken")])
    async def test_nothing_of_a_frame_is_left_while_the_next_one_is_waited_for(
        self, house: House, error: BallastError | None
    ) -> None:
        picture = bytes(100 * KIB)
        references = sys.getrefcount(picture)
        house.analysis.error = error
        async with house.stream() as client:
            client.messages.put_nowait(Message(picture, FakeLoan()))
            await client.answer()
            house.analysis.began.get_nowait()
            house.analysis.seen.clear()
            house.analysis.worked_on.clear()

            await until(lambda: sys.getrefcount(picture) == references)

    async def test_nothing_is_held_while_memory_is_waited_for(
        self, house: House, budget: MemoryBudget, tmp_path: Path
    ) -> None:
        house.analysis.parts = {"decode": 1000}
        house.analysis.gate.clear()
        loans = [FakeLoan() for _ in range(3)]
        async with house.stream() as client:
            client.messages.put_nowait(Message(LARGE, loans[0]))
            await house.analysis.began.get()
            client.messages.put_nowait(Message(LARGE, loans[1]))
            await until_read(client)
            everything = budget.record({"all": budget.free_bytes}, owner="test")

            house.analysis.gate.set()  # it asks for the bytes of the work now
            await until(lambda: budget.statistics().waiting == 1)
            client.messages.put_nowait(Message(LARGE, loans[2]))
            await until_read(client)
            held = [loan.is_held for loan in loans]
            on_disk = [path.read_bytes() for path in (tmp_path / "tmp").iterdir()]
            everything.release()
            result = await client.answer()

            assert held == [False] * 3
            assert on_disk == [LARGE]
            assert house.analysis.worked_on == [LARGE]
            assert (result["seq"], result["dropped"]) == (1, 2)

    async def test_a_small_frame_waits_where_it_is_and_newer_ones_are_taken(
        self, house: House, budget: MemoryBudget, tmp_path: Path
    ) -> None:
        house.analysis.parts = {"decode": 1000}
        async with house.stream() as client:
            everything = budget.record({"all": budget.free_bytes}, owner="test")
            client.messages.put_nowait(b"1")
            await until(lambda: budget.statistics().waiting == 1)
            client.messages.put_nowait(b"2")
            await until_read(client)
            on_disk = list((tmp_path / "tmp").iterdir())
            everything.release()

            assert [(await client.answer())["seq"] for _ in range(2)] == [1, 2]
            assert on_disk == []
            assert house.analysis.worked_on == [b"1", b"2"]


class TestPace:
    async def test_nothing_is_read_while_the_client_takes_nothing(self, house: House) -> None:
        async with house.stream() as client:
            client.reads.clear()
            client.say(type="ping")
            await until(client.messages.empty)
            for _ in range(5):
                client.messages.put_nowait(b"frame")
            for _ in range(50):
                await asyncio.sleep(0)
            waiting = client.messages.qsize()
            client.reads.set()
            await client.answer()
            await until(client.messages.empty)

        assert waiting == 5

    async def test_an_answer_that_is_not_taken_stops_the_reading_too(self, house: House) -> None:
        async with house.stream() as client:
            client.reads.clear()
            client.messages.put_nowait(b"frame")
            await house.analysis.began.get()
            for _ in range(5):
                client.messages.put_nowait(b"frame")
            for _ in range(50):
                await asyncio.sleep(0)
            waiting = client.messages.qsize()
            client.reads.set()

        assert waiting >= 4  # one had been asked for before

    @pytest.mark.parametrize("message", [b"", "", b"tiny"])
    async def test_too_many_small_messages_are_an_error_and_the_end(self, house: House, message: bytes | str) -> None:
        client = Client()
        for _ in range(2000):
            client.messages.put_nowait(message)

        async with asyncio.timeout(30):
            await house.streams.serve(client, request())

        answers = [client.answers.get_nowait() for _ in range(client.answers.qsize())]
        assert "too_many_requests" in [answer.get("code") for answer in answers]
        assert client.closed is not None
        assert client.closed[0] == 1008
        assert client.messages.qsize() > 1000
