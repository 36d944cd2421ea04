"""Jobs in the real house, with a gauge that shows what a test sets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.bootstrap import House, open_house
from app.domain.media import MediaDetails
from app.errors import Conflict, NotFound, QueueFull, StorageFull, StorageUnavailable
from app.jobs.book.steps import StepBook, WrittenStep
from app.jobs.endings import Endings
from app.jobs.engine.child import ENGINE_BYTES
from app.jobs.job import Job
from app.jobs.order_form import OrderForm
from app.jobs.plan import Plan
from app.jobs.states import JobState
from app.settings import Settings
from tests.e2e.jobs import clip
from tests.memory.gauges import FakeGauge
from tests.samples import png

pytestmark = pytest.mark.timeout(120)


def _settings(folder: Path, **jobs: object) -> Settings:
    return Settings.model_validate(
        {
            "storage": {"root": folder / "var", "allow_tmpfs": True, "free_floor": 0},
            "memory": {"limit": "1G", "sample_seconds": 0.05, "fast_sample_seconds": 0.05},
            "jobs": {"workers": 1, "idle_seconds": 30, **jobs},
        }
    )


@asynccontextmanager
async def house(folder: Path, gauge: FakeGauge | None = None, **jobs: object) -> AsyncIterator[House]:
    gauge = gauge or FakeGauge(limit_bytes=1 << 30)
    async with open_house(_settings(folder, **jobs), gauge=gauge.as_gauge, kinds="tests.jobs.samples") as opened:
        yield opened


async def _picture(opened: House) -> str:
    async def chunks() -> AsyncIterator[bytes]:
        yield png(30, 20)

    return (await opened.media.uploads.receive(chunks(), "a.png", None)).id


async def _submit(opened: House, media_id: str, **params: object) -> Job:
    form = OrderForm.model_validate({"kind": "count", "input": media_id, "params": params})
    return await opened.jobs.submissions.submit(form, "client")


async def _until(opened: House, job_id: str, is_wanted: Callable[[Job], bool]) -> Job:
    async with asyncio.timeout(60):
        with opened.jobs.tickets.listen(job_id) as changed:
            while not is_wanted(job := await opened.jobs.desk.get(job_id)):
                await changed.wait()
                changed.clear()
    return job


async def test_at_critical_a_running_job_pauses_before_its_next_step_and_then_goes_on(tmp_path: Path) -> None:
    gauge = FakeGauge(limit_bytes=1 << 30)
    async with house(tmp_path, gauge) as opened:
        job = await _submit(opened, await _picture(opened), steps=3, stepSeconds=0.5)
        await _until(opened, job.id, lambda job: job.state is JobState.RUNNING)

        gauge.share = 0.92
        paused = await _until(opened, job.id, lambda job: job.state is JobState.PAUSED)
        assert opened.jobs.slots.taken == 0
        gauge.share = 0.1
        done = await _until(opened, job.id, lambda job: job.state.is_finished)

    assert 0 < paused.progress < 1
    assert done.state is JobState.SUCCEEDED


async def test_a_job_is_paused_while_its_ffmpeg_stands_still_and_running_when_that_goes_on(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield clip()

    gauge = FakeGauge(limit_bytes=1 << 30)
    async with house(tmp_path, gauge) as opened:
        video = await opened.media.uploads.receive(chunks(), "a.mp4", None)
        form = OrderForm.model_validate({"kind": "repack", "input": video.id, "params": {"rate": 0.2}})
        job = await opened.jobs.submissions.submit(form, "client")
        await _until(opened, job.id, lambda _: _holds(opened, "ffmpeg"))

        gauge.share = 0.92
        paused = await _until(opened, job.id, lambda job: job.state is JobState.PAUSED)
        listed = await opened.jobs.desk.page(10, None, JobState.PAUSED, None)
        taken = opened.jobs.slots.taken
        gauge.share = 0.1
        going_on = await _until(opened, job.id, lambda job: job.state is not JobState.PAUSED)
        done = await _until(opened, job.id, lambda job: job.state.is_finished)

    assert (paused.step, taken) == ("paused: memory is critical", 1)
    assert [one.id for one in listed.jobs] == [job.id]
    assert (going_on.state, going_on.step) == (JobState.RUNNING, "copying")
    assert (done.state, done.attempts) == (JobState.SUCCEEDED, 1)


async def test_the_child_leaves_for_who_lacks_its_memory_and_the_step_at_work_goes_on(tmp_path: Path) -> None:
    async with house(tmp_path) as opened:
        job = await _submit(opened, await _picture(opened), steps=3, stepSeconds=1.5)
        await _until(opened, job.id, lambda job: job.step is not None and "part 2" in job.step)

        coming_back = opened.jobs.engine.reclaim(1)
        held = await _until(opened, job.id, lambda _: not _holds_a_child(opened))
        done = await _until(opened, job.id, lambda job: job.state.is_finished)

        starts, deaths = opened.jobs.counters.engine_starts, opened.jobs.counters.engine_deaths
    assert coming_back > 0
    assert held.state is JobState.RUNNING
    assert (done.state, done.attempts) == (JobState.SUCCEEDED, 1)
    assert (starts, deaths) == (2, 0)
    assert _begun(tmp_path, job) == [0, 1, 2]


async def test_the_child_leaves_while_a_job_sleeps_and_the_job_goes_on_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.steps._PATIENCE_SECONDS", (5.0,))
    async with house(tmp_path) as opened:
        job = await _submit(opened, await _picture(opened), steps=1, trouble="starved", troubleTimes=1)
        await _until(opened, job.id, lambda job: job.step == "waiting for memory")

        coming_back = opened.jobs.engine.reclaim(1)
        async with asyncio.timeout(60):
            while _holds_a_child(opened):  # noqa: ASYNC110 - the ledger has no event
                await asyncio.sleep(0.02)
        done = await _until(opened, job.id, lambda job: job.state.is_finished)

    assert coming_back > 0
    assert done.state is JobState.SUCCEEDED
    assert _begun(tmp_path, job) == [0, 0]


async def test_a_job_is_cancelled_while_the_child_is_away(tmp_path: Path) -> None:
    async with house(tmp_path) as opened:
        job = await _submit(opened, await _picture(opened), steps=2, stepSeconds=30)
        await _until(opened, job.id, lambda job: job.state is JobState.RUNNING)
        opened.jobs.engine.reclaim(1)
        await _until(opened, job.id, lambda _: not _holds_a_child(opened))

        await opened.jobs.desk.cancel(job.id)
        after = await _submit(opened, await _picture(opened), steps=1)
        done = await _until(opened, after.id, lambda job: job.state.is_finished)
        cancelled = await opened.jobs.desk.get(job.id)

    assert cancelled.state is JobState.CANCELLED
    assert done.state is JobState.SUCCEEDED
    assert _begun(tmp_path, job) == [0]


async def test_a_job_whose_end_cannot_be_written_down_goes_on_and_others_behind_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> Job:
        raise StorageUnavailable("The book is away.")

    async with house(tmp_path) as opened:
        job = await _submit(opened, await _picture(opened), steps=2, stepSeconds=1)
        await _until(opened, job.id, lambda job: job.state is JobState.RUNNING)

        with monkeypatch.context() as patched:
            patched.setattr("app.jobs.endings.Endings.cancel", away)
            with pytest.raises(StorageUnavailable):
                await opened.jobs.desk.cancel(job.id)
        behind = await _submit(opened, await _picture(opened), steps=1)

        assert (await _until(opened, job.id, lambda job: job.state.is_finished)).state is JobState.SUCCEEDED
        assert (await _until(opened, behind.id, lambda job: job.state.is_finished)).state is JobState.SUCCEEDED


async def test_a_job_that_is_cancelled_while_its_step_is_looked_up_does_not_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, go_on = asyncio.Event(), asyncio.Event()
    get = StepBook.get

    async def slow(self: StepBook, job_id: str, place: int) -> WrittenStep:
        written = await get(self, job_id, place)
        looking.set()
        await go_on.wait()
        return written

    async with house(tmp_path) as opened:
        with monkeypatch.context() as patched:
            patched.setattr(StepBook, "get", slow)
            job = await _submit(opened, await _picture(opened), steps=1, stepSeconds=30)
            await looking.wait()

            cancelled = await opened.jobs.desk.cancel(job.id)
            go_on.set()
        after = await _submit(opened, await _picture(opened), steps=1)
        await _until(opened, after.id, lambda job: job.state.is_finished)
        found = await opened.jobs.desk.get(job.id)

    assert (cancelled.state, found.state) == (JobState.CANCELLED, JobState.CANCELLED)
    assert _begun(tmp_path, job) == []


async def test_results_that_cannot_be_discarded_keep_no_job_from_having_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StorageUnavailable("The store is away.")

    async with house(tmp_path) as opened:
        job = await _submit(opened, await _picture(opened), steps=2, stepSeconds=30)
        await _until(opened, job.id, lambda job: job.state is JobState.RUNNING)

        with monkeypatch.context() as patched:
            patched.setattr("app.jobs.keeping.Keeper.discard", away)
            with pytest.raises(StorageUnavailable):
                await opened.jobs.desk.cancel(job.id)

        assert (await opened.jobs.desk.get(job.id)).state is JobState.CANCELLED
        await opened.jobs.desk.delete(job.id, with_results=True)


async def test_the_entry_of_the_child_is_what_it_holds(tmp_path: Path) -> None:
    async with open_house(_settings(tmp_path), kinds="tests.jobs.samples") as opened:
        job = await _submit(opened, await _picture(opened), steps=2, stepSeconds=1)
        await _until(opened, job.id, lambda job: job.state is JobState.RUNNING)

        governor = opened.core.governor
        entry = next(one for one in governor.budget.statistics().holders if one.owner == "jobs")

    assert 0 < entry.reserved_bytes <= ENGINE_BYTES
    assert entry.reserved_bytes >= entry.resident_bytes > 0


def _holds_a_child(opened: House) -> bool:
    return _holds(opened, "jobs")


def _holds(opened: House, owner: str) -> bool:
    return any(one.owner == owner for one in opened.core.governor.budget.statistics().holders)


def _begun(folder: Path, job: Job) -> list[int]:
    """Return the steps of a job, in the order in which they were begun."""
    lines = (folder / "var" / "jobs" / "begun.log").read_text().splitlines()
    return [int(line.split()[1]) for line in lines if line.startswith(job.id)]


async def test_what_all_kinds_would_take_of_an_item_costs_one_look_at_it(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield clip()

    async with house(tmp_path) as opened:
        video = await opened.media.uploads.receive(chunks(), "a.mp4", None)
        submissions, budget = opened.jobs.submissions, opened.core.governor.budget
        kinds = list(submissions.kinds.values())
        await submissions.predict(kinds[:1], video.id, "client")  # asks ffmpeg what it can do
        before = budget.statistics().granted_total

        found = await submissions.predict(kinds, video.id, "client")

        assert budget.statistics().granted_total == before + 1
    assert len(found) == len(kinds) > 1
    assert any(isinstance(one, Plan) for one in found)


async def test_a_result_waits_for_its_details_where_an_upload_would_not(tmp_path: Path) -> None:
    async def slow(*_: object) -> MediaDetails:
        return MediaDetails(pending=True)

    async def chunks() -> AsyncIterator[bytes]:
        yield clip()

    async with house(tmp_path) as opened:
        video = await opened.media.uploads.receive(chunks(), "a.mp4", None)
        opened.media.uploads.inspect = slow
        form = OrderForm.model_validate({"kind": "repack", "input": video.id})
        job = await opened.jobs.submissions.submit(form, "client")

        done = await _until(opened, job.id, lambda job: job.state.is_finished)
        document = await opened.jobs.answers.describe(done)

    assert document.result is not None
    assert [(item.width, item.height, item.details) for item in document.result.media] == [(160, 90, "complete")]


async def test_a_retry_that_begins_is_one_more_attempt_with_a_start_of_its_own(tmp_path: Path) -> None:
    async with house(tmp_path) as opened:
        job = await _submit(opened, await _picture(opened), steps=1, stepSeconds=1)
        first = await _until(opened, job.id, lambda job: job.state is JobState.RUNNING)
        await opened.jobs.desk.cancel(job.id)

        again = await opened.jobs.desk.retry(job.id)
        done = await _until(opened, job.id, lambda job: job.state.is_finished)

    assert (again.attempts, again.started_at) == (1, None)
    assert (done.state, done.attempts) == (JobState.SUCCEEDED, 2)
    assert first.started_at is not None
    assert done.started_at is not None
    assert done.started_at > first.started_at


async def test_of_two_retries_at_once_one_is_a_conflict_and_a_cancellation_ends_the_other(tmp_path: Path) -> None:
    async with house(tmp_path) as opened:
        desk = opened.jobs.desk
        job = await _submit(opened, await _picture(opened), steps=1, stepSeconds=30)
        await desk.cancel(job.id)

        found = await asyncio.gather(desk.retry(job.id), desk.retry(job.id), return_exceptions=True)
        await _until(opened, job.id, lambda job: job.state is JobState.RUNNING)
        cancelled = await desk.cancel(job.id)
        async with asyncio.timeout(30):
            while opened.jobs.slots.taken:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.02)

    assert sorted(type(one).__name__ for one in found) == ["Conflict", "Job"]
    assert (cancelled.state, cancelled.run) == (JobState.CANCELLED, 2)


async def test_a_job_whose_end_is_being_written_down_cannot_be_tried_again_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending, go_on = asyncio.Event(), asyncio.Event()
    tidy = Endings._tidy

    async def slow(self: Endings, job: Job, **how: bool) -> None:
        ending.set()
        await go_on.wait()
        await tidy(self, job, **how)

    async with house(tmp_path) as opened:
        job = await _submit(opened, await _picture(opened), steps=1)
        with monkeypatch.context() as patched:
            patched.setattr(Endings, "_tidy", slow)
            cancelling = asyncio.create_task(opened.jobs.desk.cancel(job.id))
            await ending.wait()
            with pytest.raises(Conflict):
                await opened.jobs.desk.retry(job.id)
            go_on.set()
            await cancelling

        await opened.jobs.desk.retry(job.id)
        done = await _until(opened, job.id, lambda job: job.state.is_finished)

    assert done.state is JobState.SUCCEEDED


async def test_a_retry_that_was_cancelled_before_it_began_is_no_attempt(tmp_path: Path) -> None:
    async with house(tmp_path) as opened:
        ahead = await _submit(opened, await _picture(opened), steps=1, stepSeconds=30)
        await _until(opened, ahead.id, lambda job: job.state is JobState.RUNNING)
        job = await _submit(opened, await _picture(opened), steps=1)
        for _ in range(2):
            await opened.jobs.desk.cancel(job.id)
            await opened.jobs.desk.retry(job.id)
        await opened.jobs.desk.cancel(ahead.id)

        done = await _until(opened, job.id, lambda job: job.state.is_finished)

    assert (done.state, done.attempts) == (JobState.SUCCEEDED, 1)


async def test_a_paused_job_can_be_cancelled(tmp_path: Path) -> None:
    gauge = FakeGauge(limit_bytes=1 << 30)
    async with house(tmp_path, gauge) as opened:
        job = await _submit(opened, await _picture(opened), steps=2, stepSeconds=0.5)
        await _until(opened, job.id, lambda job: job.state is JobState.RUNNING)
        gauge.share = 0.92
        await _until(opened, job.id, lambda job: job.state is JobState.PAUSED)

        cancelled = await opened.jobs.desk.cancel(job.id)

        assert cancelled.state is JobState.CANCELLED
        assert not opened.jobs.folders.path(job.id).exists()
        assert opened.core.store.usage().reserved_bytes == 0


async def test_a_job_whose_end_could_not_be_written_down_ends_in_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = asyncio.Event()

    async def fail(*_: object) -> None:
        tried.set()
        raise StorageUnavailable("The book cannot be used.", retry_after_seconds=1)

    with monkeypatch.context() as patched:
        patched.setattr("app.jobs.endings.Endings.succeed", fail)
        async with house(tmp_path) as opened:
            job = await _submit(opened, await _picture(opened), steps=2)
            async with asyncio.timeout(60):
                await tried.wait()
            unfinished = await opened.jobs.desk.get(job.id)

    async with house(tmp_path) as opened:
        ended = await _until(opened, job.id, lambda job: job.state.is_finished)

    assert (unfinished.state, unfinished.progress) == (JobState.RUNNING, 1.0)
    assert ended.state is JobState.SUCCEEDED
    assert ended.summary is not None
    assert ended.summary["counted"] == [0, 1]


async def test_an_unexpected_error_is_tried_again_and_then_named(tmp_path: Path) -> None:
    async with house(tmp_path, tries=2) as opened:
        job = await _submit(opened, await _picture(opened), steps=1, trouble="unknown")

        failed = await _until(opened, job.id, lambda job: job.state.is_finished)

    assert (failed.state, failed.attempts) == (JobState.FAILED, 2)
    assert failed.error is not None
    assert failed.error["code"] == "internal_error"


async def test_a_step_in_which_the_service_died_too_often_is_poison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object, **__: object) -> None:
        """Write nothing down."""

    monkeypatch.setattr("app.jobs.steps._MOST_BEGINNINGS", 2)
    with monkeypatch.context() as patched:
        patched.setattr(StepBook, "take_back", die)
        async with house(tmp_path) as opened:
            job = await _submit(opened, await _picture(opened), steps=1, stepSeconds=30)
            await _until(opened, job.id, lambda job: job.state is JobState.RUNNING)
        async with house(tmp_path) as opened:
            again = await _until(opened, job.id, lambda job: job.attempts == 2)
    async with house(tmp_path) as opened:
        failed = await _until(opened, job.id, lambda job: job.state.is_finished)

    assert again.state is JobState.RUNNING
    assert failed.error is not None
    assert "ended 2 times while it was counting part 1 of 1" in str(failed.error["detail"])


async def test_a_service_that_is_stopped_in_order_makes_no_step_poison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.steps._MOST_BEGINNINGS", 1)
    async with house(tmp_path) as opened:
        job = await _submit(opened, await _picture(opened), steps=1, stepSeconds=3)
        await _until(opened, job.id, lambda job: job.state is JobState.RUNNING)

    async with house(tmp_path) as opened:
        done = await _until(opened, job.id, lambda job: job.state.is_finished)

    assert (done.state, done.attempts) == (JobState.SUCCEEDED, 1)
    assert _begun(tmp_path, job) == [0, 0]


async def test_a_step_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    async with house(tmp_path, tries=1, step_seconds=0.2) as opened:
        job = await _submit(opened, await _picture(opened), steps=1, stepSeconds=30)

        failed = await _until(opened, job.id, lambda job: job.state.is_finished)

    assert failed.error is not None
    assert failed.error["code"] == "processing_timeout"


async def test_disk_for_all_files_is_reserved_at_submit_and_given_back_at_the_end(tmp_path: Path) -> None:
    async with house(tmp_path, run=False) as opened:
        media_id = await _picture(opened)
        job = await _submit(opened, media_id, diskBytes=50_000_000)
        reserved_bytes = opened.core.store.usage().reserved_bytes
        with pytest.raises(StorageFull):
            await _submit(opened, media_id, diskBytes=1 << 60)
        await opened.jobs.desk.cancel(job.id)

        assert reserved_bytes == 50_000_000
        assert opened.core.store.usage().reserved_bytes == 0


async def test_what_is_promised_stands_again_after_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path, run=False) as opened:
        await _submit(opened, await _picture(opened), diskBytes=50_000_000)

    async with house(tmp_path, run=False) as opened:
        assert opened.core.store.usage().reserved_bytes == 50_000_000


async def test_folders_of_jobs_that_nobody_knows_are_removed_at_start(tmp_path: Path) -> None:
    (tmp_path / "var" / "jobs" / "junknown").mkdir(parents=True)
    (tmp_path / "var" / "jobs" / "junknown" / "part-1.mp4").write_bytes(b"x")
    async with house(tmp_path, run=False) as opened:
        await _submit(opened, await _picture(opened))
    (tmp_path / "var" / "jobs" / "jother").mkdir()

    async with house(tmp_path, run=False):
        assert not (tmp_path / "var" / "jobs" / "junknown").exists()
        assert not (tmp_path / "var" / "jobs" / "jother").exists()


async def test_finished_jobs_are_forgotten_and_their_results_stay(tmp_path: Path) -> None:
    async with house(tmp_path, keep_seconds=1.0) as opened:
        job = await _submit(opened, await _picture(opened))
        async with asyncio.timeout(60):
            while True:
                try:
                    await opened.jobs.desk.get(job.id)
                except NotFound:
                    break
                await asyncio.sleep(0.05)

        assert len((await opened.core.store.page(10)).items) == 2


async def test_no_more_wait_than_may(tmp_path: Path) -> None:
    async with house(tmp_path, run=False, max_queued=2) as opened:
        media_id = await _picture(opened)
        for _ in range(2):
            await _submit(opened, media_id)

        with pytest.raises(QueueFull):
            await _submit(opened, media_id)


async def test_no_more_wait_than_may_however_many_come_at_once(tmp_path: Path) -> None:
    async with house(tmp_path, run=False, max_queued=2) as opened:
        media_id = await _picture(opened)

        found = await asyncio.gather(*(_submit(opened, media_id) for _ in range(8)), return_exceptions=True)

        assert sum(isinstance(one, Job) for one in found) == 2
        assert sum(isinstance(one, QueueFull) for one in found) == 6
        assert opened.jobs.folders.count == 2


async def test_an_idle_jobs_child_goes_when_its_memory_is_wanted(tmp_path: Path) -> None:
    async with house(tmp_path) as opened:
        job = await _submit(opened, await _picture(opened))
        await _until(opened, job.id, lambda job: job.state.is_finished)
        assert opened.jobs.engine.is_running

        await opened.core.governor.reclaim.reclaim(None)

        async with asyncio.timeout(30):
            while opened.jobs.engine.is_running:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.02)
        again = await _submit(opened, job.inputs[0])
        assert (await _until(opened, again.id, lambda job: job.state.is_finished)).state is JobState.SUCCEEDED
