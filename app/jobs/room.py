"""Everything about jobs that a request may use."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from app.core import Core
from app.http.audience import Audience
from app.images.room import ImagesRoom
from app.jobs.answers import JobAnswers
from app.jobs.book.jobs import Book
from app.jobs.book.library import Library, is_shared, open_library
from app.jobs.cluster.dispatch import ClusterDispatch
from app.jobs.cluster.member import Cluster, ClusterParts
from app.jobs.counters import JobCounters
from app.jobs.desk import Desk
from app.jobs.dispatch import Alone, Dispatch
from app.jobs.endings import Endings
from app.jobs.engine.child import ROLE, EngineChild
from app.jobs.engine.lifecycle import EngineRoom
from app.jobs.files import JobFiles
from app.jobs.folders import Folders
from app.jobs.forge import Forge
from app.jobs.frames.pictures import PictureWorks
from app.jobs.job import Job
from app.jobs.keeping import Keeper, Shelf
from app.jobs.kind import JobKind
from app.jobs.params import JobParams
from app.jobs.resumption import resume, resume_in_the_end
from app.jobs.retention import Retention
from app.jobs.shop import Tools
from app.jobs.slots import Slots
from app.jobs.sources import SourceFinder
from app.jobs.steps import StepParts, Steps
from app.jobs.submission import SubmissionParts, Submissions
from app.jobs.tickets import Tickets
from app.jobs.webhooks.sender import Webhooks
from app.media.room import MediaRoom
from app.media.streams import Streams
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


Work = Callable[[], Coroutine[Any, Any, None]]


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


async def open_jobs(
    core: Core, media: MediaRoom, vision: VisionRoom, images: ImagesRoom, stack: AsyncExitStack, kinds: str = KINDS
) -> JobsRoom:
    """Build it on the other rooms; its child and what runs beside the requests end with the stack.

    `kinds` is the package with the kinds of jobs.
    """
    settings, governor, store = core.settings, core.governor, core.store
    root = settings.storage.root.absolute() / "jobs"
    counters, tickets, folders = JobCounters(), Tickets(), Folders(root, store.space, core.disk)
    library = await open_library(core, root, folders, stack)
    book, stepbook = library.book, library.steps
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
    spec = _child_spec(settings, root, library.executor)
    make_child = partial(EngineChild, spec, Surroundings.around(PlainLauncher()), governor)
    engine = EngineRoom(make_child, (book, tickets, steps, slots), counters, settings.jobs.idle_seconds)
    dispatch, shared = _dispatch(library, tickets, folders, endings)
    desk = Desk(book, tickets, endings, engine, folders, keeper, dispatch)
    answers = JobAnswers((desk, tickets, keeper), media.delivery, media.links, every, core.lifecycle)
    webhooks = Webhooks(library.hooks, book, settings.jobs, partial(_document, answers), (tickets, counters))
    await core.disk.run(make_folder, root / "engine", False)
    store.guard(book.needs)
    _have_played(media.streams, book, every)
    watched = ClusterParts(tickets, slots, folders, engine, desk, endings, counters, tuple(every), governor)
    works: list[Work] = [Retention(book, desk, settings.jobs.keep_seconds).run, webhooks.run]
    works += await _go_on(library, shared, watched)
    stack.callback(governor.subscribe(engine.follow))
    stack.callback(governor.reclaim.register("idle jobs child", ReclaimPriority.IDLE_MODELS, engine.reclaim))
    for work in [*works, engine.run] if settings.jobs.run else works:
        await stack.enter_async_context(core.background(work))
    finder = SourceFinder(store, settings.video, book.probe_of)
    means = forge.abilities, forge.works, finder, governor.budget, vision.frames.box
    checks = webhooks.check, vision.frames.check if settings.jobs.run else _done_elsewhere
    judged = SubmissionParts(_typed(every), *means, *checks, engine.expect, images.presets)
    return JobsRoom(
        submissions=Submissions(judged, book, dispatch, counters, settings.jobs.max_queued, socket.gethostname()),
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


def _dispatch(
    library: Library, tickets: Tickets, folders: Folders, endings: Endings
) -> tuple[Dispatch, ClusterDispatch | None]:
    if library.shared is None:
        return Alone(library.book, tickets, folders), None
    shared = ClusterDispatch((library.book, library.shared), endings, folders)
    return shared, shared


async def _go_on(library: Library, shared: ClusterDispatch | None, parts: ClusterParts) -> list[Work]:
    """Go on with what is not finished; return what has to run for that from now on."""
    if library.shared is None or shared is None:
        if await resume(library.book, parts.tickets, parts.folders):
            return []

        async def go_on() -> None:
            await resume_in_the_end(library.book, parts.tickets, parts.folders)

        return [go_on]
    return [Cluster((library.book, library.shared), shared, parts).run]


def _have_played(streams: Streams, book: Book, kinds: Mapping[str, JobKind[JobParams]]) -> None:
    """Have what jobs made for players played below what they made it from."""
    for name, kind in kinds.items():
        if kind.is_streamed:
            streams.follow(partial(book.made_from, name))


def _done_elsewhere(_look: object) -> None:
    """What is missing here may be there."""


def _typed(kinds: Mapping[str, JobKind[JobParams]]) -> Mapping[str, JobKind[JobParams]]:
    return kinds


async def _document(answers: JobAnswers, job: Job) -> bytes:
    return (await answers.describe(job)).model_dump_json(by_alias=True).encode()


def _child_spec(settings: Settings, root: Path, executor: str) -> WorkerSpec:
    folder, url = root / "engine", settings.jobs.database_url
    is_remote = is_shared(settings.jobs)
    return WorkerSpec(
        role=ROLE,
        entry="app.jobs.engine.workflow:build",
        sandbox=settings.sandbox,
        options={"url": url or f"sqlite:///{folder / 'engine.sqlite3'}", "executor": executor},
        reads=_NAMES if is_remote else (),
        writes=(folder,),
        takes_descriptors=True,
        sockets="network" if is_remote else "pairs",
        start_seconds=settings.jobs.start_seconds,
        log_level=settings.log.level,
    )
