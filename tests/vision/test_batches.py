"""Batches with an analysis that does what the test says: which lines come, and what is held meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from app.domain.pressure import ProcessingMode
from app.domain.priority import Priority
from app.domain.receipt import Receipt
from app.domain.units import KIB, MIB
from app.errors import BadRequest, InvalidMedia, WorkerFailed
from app.media.pictures import Picture, Pictures
from app.media.uploads import Uploads
from app.memory.allowance import Allowance
from app.memory.budget import MemoryBudget
from app.settings import StorageSettings, UploadSettings
from app.storage.backends.local import LocalStore
from app.storage.spool import Spool
from app.storage.threads import DiskThreads
from app.vision.analysis import Analysis, AnalysisRequest
from app.vision.batches import Batch, Batches, PictureSource, sent_picture
from app.vision.plan import Output
from app.vision.result import AnalysisResult
from app.vision.task import Model, VisionTask
from tests.leaks import Leaks
from tests.samples import png
from tests.workers.pools import until

WORKERS = 2
AT_A_TIME = 2 * WORKERS
MAX_BYTES = 100 * KIB
QUOTA_BYTES = 100 * MIB
SHARE_BYTES = QUOTA_BYTES // 4


class Toes(VisionTask):
    name = "toes"

    @classmethod
    def load(cls, asset: Path, params: Any) -> Model:
        raise NotImplementedError


@dataclass
class FakeAnalysis:
    """Answers a picture when its gate is open; `errors` are raised for the pictures they name."""

    max_bytes: int = MAX_BYTES
    errors: dict[bytes, Exception] = field(default_factory=dict)
    closed: set[bytes] = field(default_factory=set)
    seen: list[bytes] = field(default_factory=list)
    clients: set[str] = field(default_factory=set)
    busy: int = 0
    busiest: int = 0

    def __post_init__(self) -> None:
        self._changed = asyncio.Condition()

    async def analyze(self, request: AnalysisRequest, picture: Picture) -> AnalysisResult:
        assert request.task is Toes
        data = picture.data
        self.clients.add(request.client)
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            async with self._changed:
                self.seen.append(data)
                self._changed.notify_all()
                await self._changed.wait_for(lambda: data not in self.closed)
            async with picture.granted({"decode": 10}, "vision:toes"):
                await asyncio.sleep(0)
        finally:
            self.busy -= 1
        if data in self.errors:
            raise self.errors[data]
        receipt = Receipt(1, 1, ProcessingMode.FULL_QUALITY)
        return AnalysisResult("toes", "foot", 4, 3, 4, 3, Output.DETECTIONS, b"[]", 0.0, 0.001, 0.002, receipt)

    async def until_seen(self, *pictures: bytes) -> None:
        async with asyncio.timeout(5), self._changed:
            await self._changed.wait_for(lambda: all(picture in self.seen for picture in pictures))

    async def open(self, picture: bytes) -> None:
        async with self._changed:
            self.closed.discard(picture)
            self._changed.notify_all()


@dataclass
class House:
    analysis: FakeAnalysis
    budget: MemoryBudget
    store: LocalStore
    batches: Batches
    batch: Batch | None = None

    @property
    def written(self) -> int:
        return 0 if self.batch is None else self.batch.lines.size_bytes

    async def run(self, sources: AsyncIterator[PictureSource]) -> Lines:
        """Run a batch to its end, with a reader as slow as can be: it reads when everything is written."""
        async with self.batches.open(AnalysisRequest(Toes, {}, "me")) as batch:
            self.batch = batch
            await batch.run(sources)
            return Lines.of(b"".join([piece async for piece in batch.lines.pieces()]))


@dataclass
class Lines:
    """What came out, in order; `codes` has None where there is a result."""

    order: list[int | None]
    codes: dict[int | None, str | None]

    @property
    def sorted(self) -> list[int]:
        """The indexes of the pictures, in the order of the pictures."""
        return sorted(index for index in self.order if index is not None)

    @classmethod
    def of(cls, text: bytes) -> Lines:
        lines = [json.loads(line) for line in text.splitlines()]
        return cls([line["index"] for line in lines], {line["index"]: line.get("code") for line in lines})


async def chunks_of(data: bytes, size: int = 30 * KIB) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def sent(pictures: Iterable[bytes]) -> AsyncIterator[PictureSource]:
    for data in pictures:
        yield sent_picture(chunks_of(data))


async def stored(house: House, media_ids: Iterable[str]) -> AsyncIterator[PictureSource]:
    for media_id in media_ids:
        yield house.batches.stored_picture(media_id)


async def one(source: PictureSource) -> AsyncIterator[PictureSource]:
    yield source


@pytest.fixture
async def build(tmp_path: Path, leaks: Leaks) -> AsyncIterator[Callable[[int], House]]:
    disk = DiskThreads(threads=2)
    store = LocalStore(StorageSettings(root=tmp_path / "var", allow_tmpfs=True, free_floor=0, quota=QUOTA_BYTES), disk)
    await store.open()

    def build(total_bytes: int = 10 * MIB) -> House:
        budget = MemoryBudget(total_bytes, working_set=lambda: 0)
        leaks.watch(budget)
        analysis = FakeAnalysis()
        pictures = Pictures(budget, Allowance(lambda: 10**9), store.scratch, disk, Priority.BATCH, 30)
        return House(analysis, budget, store, Batches(cast("Analysis", analysis), pictures, store, disk, WORKERS))

    yield build
    assert store.temp_files.statistics().count == 0
    await store.aclose()
    await disk.aclose()


@pytest.fixture
async def house(build: Callable[[], House]) -> House:
    return build()


async def test_every_picture_has_a_line_with_its_index(house: House) -> None:
    lines = await house.run(sent(b"%d" % number for number in range(25)))

    assert lines.sorted == list(range(25))
    assert set(lines.codes.values()) == {None}
    assert house.analysis.clients == {"me"}


async def test_lines_come_in_order_of_completion(house: House) -> None:
    house.analysis.closed = {b"a", b"b"}
    running = asyncio.create_task(house.run(sent([b"a", b"b", b"c"])))
    await house.analysis.until_seen(b"a", b"b", b"c")

    await until(lambda: house.written > 0)
    written = house.written
    await house.analysis.open(b"b")
    await until(lambda: house.written > written)
    await house.analysis.open(b"a")

    assert (await running).order == [2, 1, 0]


async def test_one_bad_picture_is_one_problem_line(house: House) -> None:
    house.analysis.errors = {b"2": InvalidMedia("broken"), b"3": WorkerFailed("died")}

    lines = await house.run(sent(b"%d" % number for number in range(6)))

    assert lines.codes == {0: None, 1: None, 2: "invalid_media", 3: "worker_failed", 4: None, 5: None}


async def test_a_picture_that_is_too_large_is_passed_over_to_the_next(house: House) -> None:
    async def body() -> AsyncIterator[PictureSource]:
        """One stream of bytes, as a form is: who does not read a picture to its end finds the rest of it next."""
        for size in (10, 3 * MAX_BYTES, 20):
            left = [size]

            async def chunks(left: list[int] = left) -> AsyncIterator[bytes]:
                while left[0] > 0:
                    piece = min(left[0], 30 * KIB)
                    left[0] -= piece
                    yield b"x" * piece

            yield sent_picture(chunks())
            assert left == [0], "the next picture was asked for before this one was read"

    lines = await house.run(body())

    assert lines.codes == {0: None, 1: "payload_too_large", 2: None}


async def test_only_so_many_pictures_are_held_at_a_time(house: House) -> None:
    house.analysis.closed = {b"%d" % number for number in range(4)}
    asked: list[int] = []

    async def pictures() -> AsyncIterator[PictureSource]:
        for number in range(12):
            asked.append(number)
            yield sent_picture(chunks_of(b"%d" % number))

    running = asyncio.create_task(house.run(pictures()))
    await house.analysis.until_seen(b"0", b"1", b"2", b"3")
    for _ in range(20):
        await asyncio.sleep(0)
    asked_meanwhile = list(asked)
    for number in range(4):
        await house.analysis.open(b"%d" % number)
    lines = await running

    assert len(asked_meanwhile) <= AT_A_TIME + 1
    assert house.analysis.busiest <= AT_A_TIME
    assert lines.sorted == list(range(12))


async def test_memory_does_not_grow_with_the_number_of_pictures(build: Callable[[int], House]) -> None:
    house = build(2 * MAX_BYTES + 20 * KIB)  # room for two pictures

    async with asyncio.timeout(30):
        lines = await house.run(sent(b"x" * MAX_BYTES for _ in range(100)))

    assert lines.sorted == list(range(100))
    assert set(lines.codes.values()) == {None}


async def test_all_taken_is_said_when_the_last_picture_is_in(house: House) -> None:
    house.analysis.closed = {b"last"}
    running = asyncio.create_task(house.run(sent([b"first", b"last"])))
    await until(lambda: house.batch is not None)
    assert house.batch is not None

    async with asyncio.timeout(5):
        await house.batch.all_taken.wait()

    assert not running.done()
    await house.analysis.open(b"last")
    assert (await running).sorted == [0, 1]


async def test_a_batch_without_pictures_has_no_lines(house: House) -> None:
    lines = await house.run(sent([]))

    assert lines == Lines([], {})


async def test_a_request_that_breaks_keeps_the_lines_so_far(house: House) -> None:
    async def broken() -> AsyncIterator[PictureSource]:
        yield sent_picture(chunks_of(b"1"))
        await house.analysis.until_seen(b"1")
        await until(lambda: house.written > 0)
        raise BadRequest("The form is broken.")

    lines = await house.run(broken())

    assert lines.order == [0, None]
    assert lines.codes == {0: None, None: "bad_request"}


async def test_a_request_that_breaks_answers_every_picture_that_was_taken_in(house: House) -> None:
    house.analysis.closed = {b"1"}

    async def broken() -> AsyncIterator[PictureSource]:
        yield sent_picture(chunks_of(b"1"))
        await house.analysis.until_seen(b"1")
        asyncio.get_running_loop().call_later(0.05, lambda: asyncio.ensure_future(house.analysis.open(b"1")))
        raise BadRequest("The form is broken.")

    lines = await house.run(broken())

    assert lines.order == [0, None]
    assert lines.codes == {0: None, None: "bad_request"}


async def test_lines_that_have_no_room_end_the_batch_and_the_last_line_says_why(house: House) -> None:
    async with house.store.scratch.spool("batch", "me") as lines_of_others:
        await lines_of_others.count(SHARE_BYTES)

        lines = await house.run(sent(b"%d" % number for number in range(100)))

    assert lines.codes == {None: "storage_full"}
    assert house.analysis.busy == 0


async def test_pictures_do_not_pile_up_before_a_disk_that_hangs(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = asyncio.Event()

    async def write(_spool: Spool, _line: bytes) -> None:
        await hanging.wait()

    monkeypatch.setattr(Spool, "write", write)
    running = asyncio.create_task(house.run(sent(b"%d" % number for number in range(100))))
    await house.analysis.until_seen(b"0", b"1", b"2", b"3")
    await until(lambda: house.analysis.busy == 0)
    for _ in range(100):
        await asyncio.sleep(0)
    seen = len(house.analysis.seen)
    hanging.set()
    await running

    assert seen == AT_A_TIME


async def test_a_picture_that_breaks_off_is_a_problem_line_and_lets_go_of_its_bytes(house: House) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"x"
        raise BadRequest("The form is broken.")

    lines = await house.run(one(sent_picture(chunks())))

    assert lines.codes == {0: "bad_request"}


async def test_a_client_that_goes_ends_all_its_work(house: House) -> None:
    house.analysis.closed = {b"%d" % number for number in range(4)}
    running = asyncio.create_task(house.run(sent(b"%d" % number for number in range(100))))
    await house.analysis.until_seen(b"0", b"1", b"2", b"3")

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert house.analysis.busy == 0
    assert house.budget.reserved_bytes == 0
    assert house.store.temp_files.statistics().count == 0


async def test_an_unforeseen_error_is_not_swallowed(house: House) -> None:
    house.analysis.errors = {b"1": RuntimeError("not foreseen")}

    with pytest.raises(RuntimeError, match="not foreseen"):
        await house.run(sent([b"1"]))


async def _store(house: House, data: bytes) -> str:
    item = await Uploads(house.store, UploadSettings()).receive(chunks_of(data), "picture.png", len(data))
    return item.id


async def test_stored_pictures_are_read_from_the_store(house: House) -> None:
    picture = png()
    media_id = await _store(house, picture)

    lines = await house.run(stored(house, [media_id, media_id]))

    assert lines.sorted == [0, 1]
    assert house.analysis.seen == [picture, picture]


async def test_an_item_that_is_not_there_is_one_problem_line(house: House) -> None:
    media_id = await _store(house, png())
    await house.store.delete(media_id)
    there = await _store(house, png())

    lines = await house.run(stored(house, [media_id, there, "no id at all", "../../etc/passwd"]))

    assert lines.codes == {0: "not_found", 1: None, 2: "not_found", 3: "not_found"}


async def test_an_item_that_is_too_large_is_refused_as_a_sent_picture_is(house: House) -> None:
    large = await _store(house, png(300, 300) + b"\0" * MAX_BYTES)
    small = await _store(house, png())

    lines = await house.run(stored(house, [large, small]))

    assert lines.codes == {0: "payload_too_large", 1: None}
    assert house.analysis.seen == [png()]
