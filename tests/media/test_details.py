from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.media import MediaDetails
from app.domain.media_types import MP4
from app.domain.priority import Priority
from app.domain.units import MIB
from app.ffmpeg.probe import PROBE_BYTES, Probe, Prober
from app.ffmpeg.runner import FFmpegRunner
from app.imaging.formats.png import Png
from app.media.details import Details
from app.media.uploads import Uploads
from app.memory.budget import MemoryBudget
from app.memory.governor import EnrolledProcess
from app.memory.reclaim import ReclaimRegistry
from app.memory.reservation import Reservation
from app.settings import StorageSettings, UploadSettings
from app.storage.backends.local import LocalStore
from app.storage.threads import DiskThreads
from tests.ffmpeg.clips import clip, tool
from tests.leaks import Leaks
from tests.samples import mp4, png

KNOWN = MediaDetails(width=320, height=180, duration_seconds=1.0, frame_rate=25.0, rotation=0)


class House:
    """Details with a budget, and what was enrolled and with which bytes."""

    def __init__(self, budget_bytes: int = 256 * MIB, ffprobe: Path | None = None) -> None:
        self.budget = MemoryBudget(budget_bytes, working_set=lambda: 0)
        self.reclaim = ReclaimRegistry()
        self.reserved: list[int] = []
        prober = Prober(ffprobe, FFmpegRunner(self, "required")) if ffprobe is not None else None
        self.details = Details(prober, self.budget, self.reclaim, patience_seconds=60)

    def enroll(self, process: EnrolledProcess) -> None:
        assert process.holder is not None
        self.reserved.append(process.holder.reserved_bytes)

    def dismiss(self, pid: int) -> None:
        pass


@pytest.fixture
def house(leaks: Leaks) -> House:
    house = House(ffprobe=tool("ffprobe"))
    leaks.watch(house.budget)
    return house


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "upload-0"
    path.write_bytes(clip("mp4"))
    return path


async def test_a_film_is_probed_under_a_reservation(house: House, film: Path) -> None:
    details = await house.details.inspect(MP4, b"", film)

    assert details == KNOWN
    assert house.reserved == [PROBE_BYTES]
    assert house.budget.reserved_bytes == 0


async def test_a_picture_is_read_from_its_header_without_a_child(house: House, tmp_path: Path) -> None:
    details = await house.details.inspect(Png.media_type, png(30, 20), tmp_path / "not looked at")

    assert details == MediaDetails(width=30, height=20)
    assert house.reserved == []


async def test_a_broken_film_has_no_details(house: House, tmp_path: Path) -> None:
    path = tmp_path / "upload-0"
    path.write_bytes(mp4(100_000))

    assert await house.details.inspect(MP4, b"", path) == MediaDetails()


async def test_without_ffprobe_there_are_no_details(film: Path) -> None:
    assert await House().details.inspect(MP4, b"", film) == MediaDetails()


async def test_without_memory_nothing_waits_and_the_details_are_pending(house: House, film: Path) -> None:
    async with house.budget.reserve({"work": 200 * MIB}, owner="work", priority=Priority.REQUEST):
        details = await house.details.inspect(MP4, b"", film)

    assert details == MediaDetails(pending=True)
    assert house.reserved == []
    assert await house.details.inspect(MP4, b"", film) == KNOWN


class HangingProber(Prober):
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.begun = 0

    async def probe(self, path: Path, content_type: str, holder: Reservation | None = None) -> Probe:  # noqa: ARG002
        self.begun += 1
        await self.answers.wait()
        return Probe(2.5, 0.0, None, None, None)


async def test_a_probe_that_hangs_delays_one_upload_and_no_other(film: Path, leaks: Leaks) -> None:
    budget, prober = MemoryBudget(256 * MIB, working_set=lambda: 0), HangingProber()
    leaks.watch(budget)
    details = Details(prober, budget, ReclaimRegistry(), patience_seconds=0.2)

    found = [await details.inspect(MP4, b"", film) for _ in range(12)]

    assert found == [MediaDetails(pending=True)] * 12
    assert prober.begun == 1
    prober.answers.set()
    assert (await details.find_out("video/mp4", film)).duration_seconds == 2.5
    assert (await details.inspect(MP4, b"", film)).duration_seconds == 2.5


async def test_many_hanging_probes_that_began_together_are_given_up_together(film: Path, leaks: Leaks) -> None:
    budget, prober = MemoryBudget(1024 * MIB, working_set=lambda: 0), HangingProber()
    leaks.watch(budget)
    details = Details(prober, budget, ReclaimRegistry(), patience_seconds=0.2)

    found = await asyncio.gather(*(details.inspect(MP4, b"", film) for _ in range(12)))

    assert found == [MediaDetails(pending=True)] * 12


async def test_idle_holders_give_way_to_a_probe(house: House, film: Path) -> None:
    idle = house.budget.try_reserve({"model": 200 * MIB}, owner="model", priority=Priority.REQUEST)
    assert idle is not None

    def give_way(_wanted_bytes: int | None) -> int:
        idle.release()
        return 200 * MIB

    house.reclaim.register("models", 1, give_way)

    assert await house.details.inspect(MP4, b"", film) == KNOWN


async def test_what_holds_bytes_can_have_a_film_probed(house: House, film: Path) -> None:
    async with house.budget.reserve({"buffers": MIB}, owner="upload", priority=Priority.REQUEST):
        details = await house.details.inspect(MP4, b"", film)

    assert details == KNOWN


async def test_many_films_at_a_time_are_all_probed(house: House, film: Path) -> None:
    found = await asyncio.gather(*(house.details.inspect(MP4, b"", film) for _ in range(6)))

    assert found == [KNOWN] * 6


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LocalStore]:
    disk = DiskThreads()
    store = LocalStore(StorageSettings(root=tmp_path / "root", free_floor=0, fsync=False), disk)
    await store.open()
    yield store
    await store.aclose()
    await disk.aclose()


async def test_an_uploaded_film_is_stored_with_its_details(house: House, store: LocalStore) -> None:
    data = clip("mp4")
    uploads = Uploads(store, UploadSettings(), house.details.inspect)

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 10_000):
            yield data[at : at + 10_000]

    item = await uploads.receive(chunks(), "film.mp4", len(data))

    assert item.details == KNOWN
    assert (await store.get(item.id)).details == KNOWN


async def test_an_upload_that_is_cancelled_while_it_is_probed_leaves_nothing(store: LocalStore) -> None:
    begun = asyncio.Event()

    async def never(*_: object) -> MediaDetails:
        begun.set()
        await asyncio.sleep(60)
        return MediaDetails()

    async def chunks() -> AsyncIterator[bytes]:
        yield mp4(100_000)

    task = asyncio.create_task(Uploads(store, UploadSettings(), never).receive(chunks(), None, None))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])

    assert (await store.page(1)).items == ()
    assert store.temp_files.statistics().count == 0
