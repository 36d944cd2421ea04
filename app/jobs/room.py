"""Everything about jobs that a request may use."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.core import Core
from app.errors import BallastError, NotFound
from app.http.audience import Audience
from app.images.room import ImagesRoom
from app.jobs.answers import JobAnswers
from app.jobs.book import Book
from app.jobs.counters import JobCounters
from app.jobs.database import Database
from app.jobs.desk import Desk
from app.jobs.endings import Endings
from app.jobs.engine_child import ROLE, EngineChild
from app.jobs.engine_room import EngineRoom
from app.jobs.files import JobFiles
from app.jobs.folders import Folders
from app.jobs.forge import Forge
from app.jobs.hookbook import HookBook
from app.jobs.job import Job
from app.jobs.keeping import Keeper, Shelf
from app.jobs.kind import JobKind
from app.jobs.machine import machine_name
from app.jobs.params import JobParams
from app.jobs.pictures import PictureWorks
from app.jobs.retention import Retention
from app.jobs.shop import Tools
from app.jobs.slots import Slots
from app.jobs.sources import SourceFinder
from app.jobs.states import JobState
from app.jobs.stepbook import StepBook
from app.jobs.steps import StepParts, Steps
from app.jobs.submission import SubmissionParts, Submissions
from app.jobs.tables import SCHEMA
from app.jobs.tickets import Tickets
from app.jobs.webhooks import Webhooks
from app.media.room import MediaRoom
from app.media.transfers import Transfers
from app.memory.cpus import available_cpus
from app.memory.reclaim import ReclaimPriority
from app.registry import discover
from app.settings import Settings
from app.storage.files import make_folder
from app.vision.room import VisionRoom
from app.workers.launch import PlainLauncher
from app.workers.spec import WorkerSpec
from app.workers.surroundings import Surroundings

logger = logging.getLogger("ballast.jobs")

KINDS = "app.jobs.kinds"

_NAMES = (Path("/etc/hosts"), Path("/etc/resolv.conf"), Path("/etc/nsswitch.conf"), Path("/etc/ssl/certs"))
"""What the child reads to find a PostgreSQL server."""


@dataclass(frozen=True, slots=True)
class JobsRoom:
    """`workers`: steps that are done at a time. `body_idle_seconds`: how long a body may pause."""

    submissions: Submissions
    desk: Desk
    answers: JobAnswers
    audience: Audience
    transfers: Transfers
    tickets: Tickets
    slots: Slots
    folders: Folders
    engine: EngineRoom
    counters: JobCounters
    workers: int
    body_idle_seconds: float

    def troubles(self) -> list[str]:
        """Why no job goes on now."""
        return [self.engine.trouble] if self.engine.trouble is not None else []


async def open_jobs(
    core: Core, media: MediaRoom, vision: VisionRoom, images: ImagesRoom, stack: AsyncExitStack, kinds: str = KINDS
) -> JobsRoom:
    """Build it on the other rooms; its child and what runs beside the requests end with the stack.

    `kinds` is the package with the kinds of jobs.
    """
    settings, governor, store = core.settings, core.governor, core.store
    root = settings.storage.root.absolute() / "jobs"
    database = Database(root / "book.sqlite3", SCHEMA, core.disk)
    stack.push_async_callback(database.aclose)
    book, stepbook, counters, tickets = Book(database), StepBook(database), JobCounters(), Tickets()
    folders = Folders(root, store.space, core.disk)
    shelf = Shelf(store, media.uploads, core.disk, settings.storage.fsync, media.probing.ask)
    keeper = Keeper(shelf, stepbook, folders)
    endings = Endings(stepbook, tickets, folders, keeper, counters)
    forge = Forge(core)
    stack.push_async_callback(forge.aclose)
    every = {name: kind() for name, kind in discover(kinds, JobKind).items()}  # type: ignore[type-abstract]
    files = JobFiles(core.disk)
    pictures = PictureWorks(vision.analysis, images.images, vision.batches.pictures, store, files)
    tools = Tools(store, keeper, vision.frames, pictures, images.masks, files)
    parts = StepParts(book, stepbook, tools, folders, endings, every, forge.works, counters)
    workers = settings.jobs.workers or max(1, available_cpus() // 2)
    slots = Slots(workers, lambda: governor.policy.serves_batches)
    steps = Steps(parts, tickets, slots, settings.jobs)
    surroundings = Surroundings.around(PlainLauncher())
    executor = await _executor(core)
    make_child = partial(EngineChild, _child_spec(settings, root, executor), surroundings, governor)
    engine = EngineRoom(make_child, (book, tickets, steps, slots), counters, settings.jobs.idle_seconds)
    desk = Desk(book, tickets, endings, engine, folders, keeper)
    answers = JobAnswers(desk, tickets, keeper, (media.delivery, media.links), core.lifecycle)
    webhooks = Webhooks(HookBook(database), book, settings.jobs, partial(_document, answers), (tickets, counters))
    await core.disk.run(make_folder, root / "engine", False)
    store.guard(book.needs)
    media.streams.follow(partial(book.made_from, "hls"))
    await _resume(book, tickets, folders)
    stack.callback(governor.subscribe(engine.follow))
    stack.callback(governor.reclaim.register("idle jobs child", ReclaimPriority.IDLE_MODELS, engine.reclaim))
    works = [Retention(book, desk, settings.jobs.keep_seconds).run, webhooks.run]
    for work in [*works, engine.run] if settings.jobs.run else works:
        await stack.enter_async_context(core.background(work))
    finder = SourceFinder(store, settings.video)
    judged = SubmissionParts(
        _typed(every), forge.abilities, forge.works, finder, governor.budget, folders, webhooks.check, engine.expect
    )
    return JobsRoom(
        submissions=Submissions(judged, book, tickets, counters, settings.jobs.max_queued, socket.gethostname()),
        desk=desk,
        answers=answers,
        audience=Audience(governor.budget, settings.server.max_event_streams),
        transfers=media.transfers,
        tickets=tickets,
        slots=slots,
        folders=folders,
        engine=engine,
        counters=counters,
        workers=workers,
        body_idle_seconds=settings.upload.idle_seconds,
    )


async def _resume(book: Book, tickets: Tickets, folders: Folders) -> None:
    """Go on with what an earlier run left. A book that cannot be read is no reason not to serve."""
    try:
        unfinished = await book.unfinished()
    except BallastError as error:
        logger.error("the book of jobs cannot be read: %s", error.detail)
        return
    for job in unfinished:
        await folders.restore(job.id, job.disk_bytes)
        tickets.open(job)
    if unfinished:
        logger.info("jobs go on", extra={"count": len(unfinished)})
    for job_id in await folders.names():
        if tickets.find(job_id) is None:
            await _judge_folder(job_id, book, folders)


async def _judge_folder(job_id: str, book: Book, folders: Folders) -> None:
    """Keep the finished parts of a failed job, for a retry; remove what a run that was killed could not."""
    try:
        failed = (await book.get(job_id)).state is JobState.FAILED
    except NotFound:
        failed = False
    except BallastError:
        return
    if failed:
        await folders.restore(job_id, 0)
    else:
        await folders.remove(job_id)


def _typed(kinds: Mapping[str, JobKind[JobParams]]) -> Mapping[str, JobKind[JobParams]]:
    return kinds


async def _document(answers: JobAnswers, job: Job) -> bytes:
    return (await answers.describe(job)).model_dump_json(by_alias=True).encode()


def _is_remote(url: str | None) -> bool:
    return url is not None and url.startswith("postgresql")


async def _executor(core: Core) -> str:
    """Return what the jobs child is called in its database: with a file of its own there is no other."""
    if not _is_remote(core.settings.jobs.database_url):
        return "local"
    return await core.disk.run(machine_name, core.settings.storage.root.absolute() / "state")


def _child_spec(settings: Settings, root: Path, executor: str) -> WorkerSpec:
    folder, url = root / "engine", settings.jobs.database_url
    is_remote = _is_remote(url)
    return WorkerSpec(
        role=ROLE,
        entry="app.jobs.engine:build",
        sandbox=settings.sandbox,
        options={"url": url or f"sqlite:///{folder / 'engine.sqlite3'}", "executor": executor},
        reads=_NAMES if is_remote else (),
        writes=(folder,),
        takes_descriptors=True,
        sockets="network" if is_remote else "pairs",
        start_seconds=settings.jobs.start_seconds,
        log_level=settings.log.level,
    )
