from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.domain.pressure import PressureLevel
from app.domain.priority import Priority
from app.domain.units import KIB, MIB
from app.errors import (
    BallastError,
    InvalidMedia,
    MemoryExceedsLimit,
    Overloaded,
    StorageFull,
    TooManyPixels,
    WorkerFailed,
)
from app.ffmpeg.profiles import Profile, Rung
from app.ffmpeg.runner import guarded_input
from app.ffmpeg.works import Expectation, Work
from tests.ffmpeg.clips import make
from tests.ffmpeg.numbered import numbered, times
from tests.ffmpeg.rooms import Governor, workroom
from tests.leaks import Leaks

ENDLESS = ("-f", "lavfi", "-i", "testsrc2=s=640x360:r=30:d=3000")
FAST = ("-c:v", "libx264", "-preset", "ultrafast")


@pytest.fixture
def governor(leaks: Leaks) -> Governor:
    governor = Governor()
    leaks.watch(governor.budget)
    return governor


def encoding(source: Path, target: Path, frames: int | None = None, cost_bytes: int = 120 * MIB) -> Work:
    return Work(
        arguments=[
            *guarded_input(source, "mov"),
            "-map",
            "0:v",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            f"file:{target}",
        ],
        cost_bytes=cost_bytes,
        threads=4,
        reads=(source,),
        writes=(target,),
        file_bytes=64 * MIB,
        seconds=2.0,
        expect=Expectation(frames=frames),
    )


def endless(target: Path) -> Work:
    work = encoding(target, target)
    return replace(work, arguments=[*ENDLESS, *FAST, f"file:{target}"], reads=())


def sampling(source: Path, frames: int | None = None, cost_bytes: int = 100 * MIB) -> Work:
    filters = ("-vf", "scale=160:90", "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1")
    work = encoding(source, source, frames, cost_bytes)
    return replace(work, arguments=[*guarded_input(source, "mov"), "-map", "0:v", *filters], writes=(), file_bytes=0)


async def started(governor: Governor) -> int:
    await until(lambda: bool(governor.present))
    return next(iter(governor.present))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - it is the kernel that is waited for
        await asyncio.sleep(0.01)


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def test_a_run_tells_its_progress_and_what_it_took(governor: Governor, tmp_path: Path) -> None:
    source, target = numbered(tmp_path / "in.mp4", 2), tmp_path / "out.mp4"
    shares: list[float] = []

    async def tell(share: float) -> None:
        shares.append(share)

    report = await workroom(governor).run(encoding(source, target, frames=60), tell)

    assert (report.frames, report.retries) == (60, 0)
    assert 20 * MIB < report.peak_bytes < 120 * MIB
    assert all(0 < share <= 1 for share in shares)
    assert sorted(shares) == shares
    assert len(times(target)) == 60


async def test_its_memory_is_reserved_as_batch_work_while_it_runs(governor: Governor, tmp_path: Path) -> None:
    task = asyncio.create_task(workroom(governor).run(endless(tmp_path / "out.mp4")))
    await started(governor)

    process = governor.seen[0]
    assert process.holder is not None
    assert process.holder.reserved_bytes == 144 * MIB
    assert (process.holder.owner, process.present_priority) == ("ffmpeg", Priority.BATCH)
    task.cancel()
    await asyncio.wait([task])


async def test_a_cancelled_run_is_gone_within_two_seconds_with_its_output(governor: Governor, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    task = asyncio.create_task(workroom(governor).run(endless(target)))
    await started(governor)
    await until(lambda: target.exists() and target.stat().st_size > 0)

    task.cancel()
    async with asyncio.timeout(2):
        await asyncio.wait([task])

    assert task.cancelled()
    assert not target.exists()
    assert governor.present == set()


async def test_it_stands_still_at_critical_and_goes_on_below(governor: Governor, tmp_path: Path) -> None:
    task = asyncio.create_task(workroom(governor).run(endless(tmp_path / "out.mp4")))
    pid = await started(governor)

    governor.level = PressureLevel.CRITICAL
    await until(lambda: state(pid) == "T")
    governor.level = PressureLevel.HIGH
    await until(lambda: state(pid) != "T")

    assert not task.done()
    task.cancel()
    await asyncio.wait([task])


async def test_a_decoder_that_lacked_memory_is_never_a_success(governor: Governor, tmp_path: Path) -> None:
    """Its exit code is 0, with fewer frames: it is run again with more memory, and what is made then is whole."""
    source, target = numbered(tmp_path / "in.mp4", 1, size="1920x1080", rate="10"), tmp_path / "out.raw"
    work = sampling(source, frames=10)
    work = replace(work, arguments=[*work.arguments[:-1], f"file:{target}"], writes=(target,), file_bytes=4 * MIB)
    wholes = 0

    for cost_bytes in (14 * MIB, 26 * MIB, 38 * MIB, 60 * MIB):
        try:
            report = await workroom(governor).run(replace(work, cost_bytes=cost_bytes, threads=0))
        except WorkerFailed:
            assert not target.exists()
        else:
            wholes += 1
            assert (report.frames, target.stat().st_size) == (10, 10 * 160 * 90 * 3)

    assert 1 <= wholes <= 3


async def test_fewer_frames_than_expected_are_a_problem_whatever_the_exit_code(
    governor: Governor, tmp_path: Path
) -> None:
    source, target = numbered(tmp_path / "in.mp4", 2), tmp_path / "out.mp4"

    with pytest.raises(InvalidMedia, match="60 frames came out of it, of 61"):
        await workroom(governor).run(encoding(source, target, frames=61))

    assert not target.exists()


async def test_memory_that_does_not_do_costs_a_rung(governor: Governor, tmp_path: Path) -> None:
    source, target = numbered(tmp_path / "in.mp4", 1, size="1280x720", rate="10"), tmp_path / "out.mp4"

    def falling(rung: Rung) -> Work:
        """Costs fall from rung to rung as `encode` wants it, but the first two are held to far too little data."""
        work = encoding(source, target, frames=10, cost_bytes=(130 + 5 * rung.profile) * MIB)
        if rung.profile <= Profile.LOW:
            return work
        huge = ("-vf", "scale=3840:2160", "-c:v", "libx264", "-preset", "medium", f"file:{target}")
        return replace(work, arguments=[*work.arguments[: -len(FAST) - 1], *huge])

    report = await workroom(governor).encode(falling, Profile.HIGH)

    assert report.rung == Rung(Profile.LOW)
    assert report.retries == 2


async def test_under_pressure_a_lower_profile_is_used(governor: Governor, tmp_path: Path) -> None:
    source, target = numbered(tmp_path / "in.mp4", 1), tmp_path / "out.mp4"
    governor.level = PressureLevel.HIGH

    report = await workroom(governor).encode(
        lambda rung: encoding(source, target, frames=30, cost_bytes=(80 + 10 * rung.profile) * MIB), Profile.HIGH
    )

    assert report.rung == Rung(Profile.LOW)


async def test_what_can_never_fit_is_refused_with_both_numbers(tmp_path: Path) -> None:
    governor = Governor(total_bytes=50 * MIB)

    with pytest.raises(MemoryExceedsLimit) as refused:
        await workroom(governor).encode(lambda _: endless(tmp_path / "out.mp4"), Profile.HIGH)

    assert refused.value.extra == {"neededBytes": 144 * MIB, "limitBytes": 50 * MIB}


@pytest.mark.parametrize("way", ["run", "encode"])
async def test_an_encoder_that_does_not_open_is_no_matter_of_the_limit_where_there_is_memory(
    governor: Governor, tmp_path: Path, way: str
) -> None:
    work = endless(tmp_path / "out.mp4")
    work = replace(
        work,
        arguments=[*ENDLESS, "-c:v", "libx264", "-x264-params", "qpmin=9:qpmax=1", "-s", "3x3", *work.arguments[-1:]],
    )
    room = workroom(governor)

    with pytest.raises(WorkerFailed):
        await (room.run(work) if way == "run" else room.encode(lambda _: work, Profile.HIGH))


async def test_what_does_not_fit_now_is_tried_later(governor: Governor, tmp_path: Path) -> None:
    others = governor.budget.record({"all": 4000 * MIB}, owner="others")

    with pytest.raises(Overloaded):
        await workroom(governor).run(endless(tmp_path / "out.mp4"))

    others.release()


async def test_where_nothing_better_comes_free_the_least_profile_does_it(governor: Governor, tmp_path: Path) -> None:
    source, target = numbered(tmp_path / "in.mp4", 1), tmp_path / "out.mp4"
    taken = governor.budget.total_bytes - 150 * MIB  # enough for MINIMAL, with the margin, and not for LOW
    others = governor.budget.record({"all": taken}, owner="others")

    report = await workroom(governor).encode(
        lambda rung: encoding(source, target, frames=30, cost_bytes=(100 + 100 * rung.profile) * MIB), Profile.HIGH
    )

    assert report.rung == Rung(Profile.MINIMAL)
    others.release()


async def test_a_smaller_picture_is_made_where_all_else_was_waited_for_in_vain_again_and_again(
    governor: Governor, tmp_path: Path
) -> None:
    source, target = numbered(tmp_path / "in.mp4", 1), tmp_path / "out.mp4"
    others = governor.budget.record({"all": governor.budget.total_bytes - 150 * MIB}, owner="others")

    def falling(rung: Rung) -> Work:
        cost_bytes = (200 + 100 * rung.profile) * MIB if rung.max_height is None else rung.max_height * MIB // 6
        return encoding(source, target, frames=30, cost_bytes=cost_bytes)

    with pytest.raises(Overloaded):
        await workroom(governor, waited=1).encode(falling, Profile.HIGH)
    report = await workroom(governor, waited=2).encode(falling, Profile.HIGH)

    assert report.rung == Rung(Profile.MINIMAL, 720)
    others.release()


async def test_a_file_that_would_grow_too_large_is_storage_full(governor: Governor, tmp_path: Path) -> None:
    with pytest.raises(StorageFull):
        await workroom(governor).run(replace(endless(tmp_path / "out.mp4"), file_bytes=256 * KIB))

    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("content", [b"", b"not a video", b"ffconcat version 1.0\nfile in.mp4\n"])
async def test_what_is_no_video_is_invalid(governor: Governor, tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "broken.mp4"
    source.write_bytes(content)

    with pytest.raises(InvalidMedia):
        await workroom(governor).run(encoding(source, tmp_path / "out.mp4"))


async def test_frames_come_out_of_a_pipe_without_gaps(governor: Governor, tmp_path: Path) -> None:
    source = numbered(tmp_path / "in.mp4", 2)

    async with workroom(governor).sample(sampling(source, frames=60), 160, 90) as sampled:
        nbytes = await _read(sampled.descriptor)

    assert nbytes == 60 * 160 * 90 * 3


async def test_who_stops_reading_frames_ends_the_run(governor: Governor, tmp_path: Path) -> None:
    source = numbered(tmp_path / "in.mp4", 2)

    async with workroom(governor).sample(sampling(source, frames=999), 160, 90) as sampled:
        await asyncio.to_thread(os.read, sampled.descriptor, 1000)

    assert governor.present == set()


async def test_too_few_frames_out_of_a_pipe_are_a_problem(governor: Governor, tmp_path: Path) -> None:
    source = numbered(tmp_path / "in.mp4", 2)

    with pytest.raises(InvalidMedia):
        async with workroom(governor).sample(sampling(source, frames=61), 160, 90) as sampled:
            await _read(sampled.descriptor)


async def _read(descriptor: int) -> int:
    nbytes = 0
    while data := await asyncio.to_thread(os.read, descriptor, 1 << 20):
        nbytes += len(data)
    return nbytes


async def test_frames_and_key_frames_are_listed_without_decoding(governor: Governor, tmp_path: Path) -> None:
    source = numbered(tmp_path / "in.mp4", 3, "-g", "30", "-sc_threshold", "0")

    listed = await workroom(governor).frames(source, "video/mp4")

    assert list(listed.times) == pytest.approx([number / 30 for number in range(90)], abs=1e-6)
    assert list(listed.keyframes) == [0, 1, 2]
    assert list(listed.places) == [0, 30, 60]
    assert listed.packets_between(1, 3) == 60


async def test_a_bomb_is_refused_before_it_is_decoded(governor: Governor, tmp_path: Path) -> None:
    source = make(tmp_path / "bomb.mp4", "-f", "lavfi", "-i", "color=s=16000x8000:r=1:d=1", "-c:v", "mjpeg")

    with pytest.raises(BallastError) as refused:
        await workroom(governor).run(encoding(source, tmp_path / "out.mp4"))

    assert isinstance(refused.value, TooManyPixels | InvalidMedia)
