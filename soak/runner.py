"""One soak from its start to its verdict."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.settings import Settings
from soak.cgroup import GroupUnavailable, MemoryGroup, memory_group
from soak.cold import drop_from_cache, program_folders
from soak.film import draw_film
from soak.http import HttpClient
from soak.images import ImageLoad
from soak.jobs import JobLoad
from soak.load import Load
from soak.offer import chosen_tasks, read_offer, untried
from soak.pictures import read_pictures
from soak.plan import SoakPlan
from soak.service import Service, run_service
from soak.tally import Tally
from soak.verdict import Row, Verdict, judge
from soak.watch import Watch, Watched

_IDLE_SECONDS = 15.0
_DRAW_SECONDS = 0.5
_WORKERS_DIED = re.compile(rb"^ballast_workers_died_total\S* ([0-9.]+)", re.MULTILINE)

_DRAWN = (
    "no photos were given: a drawn grey picture was sent, in which only the first model of a task has work (--photos)"
)

Progress = Callable[[Tally, Watched], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`log` is the service's log, kept only where a file for it was named."""

    verdict: Verdict
    tally: Tally
    seen: Watched
    log: str


async def run_soak(plan: SoakPlan, settings: Settings, show: Progress) -> Outcome:
    """Run the service under the load of `plan` and judge it. Nothing is left behind.

    `show` is called twice a second.

    Raises:
        NoPictures: the folder of photos has none.
        UnknownTask: the service does not have a task.
        ServiceFault: the service did not start.
    """
    pictures = read_pictures(plan.photos_folder, settings.vision.max_bytes)
    with _folder(settings) as folder, _limited(plan.limit_bytes) as (group, remarks):
        if pictures.drawn:
            remarks.append(_DRAWN)
        own_limit = {} if group is not None else {"BALLAST_MEMORY__LIMIT": str(plan.limit_bytes)}
        if group is not None:
            await asyncio.to_thread(drop_from_cache, program_folders(settings.models.dir))
        async with run_service(folder, group, own_limit) as service:
            offer = await read_offer(service.port)
            tasks = chosen_tasks(plan, offer)
            load = Load(plan, tasks, service.port, pictures, tally := Tally())
            images = [ImageLoad(service.port, pictures, tally) for _ in range(plan.images if offer.images else 0)]
            film = await asyncio.to_thread(draw_film) if offer.jobs and plan.jobs else None
            jobs = [JobLoad(service.port, film, tasks[0], tally) for _ in range(plan.jobs)] if film else []
            beside = [*(image.run() for image in images), *(job.run() for job in jobs)]
            driven = load.run(*beside)
            seen, left = await _drive(driven, tally, service, group, show)
            remarks.append(f"not tried: {', '.join(untried(plan, offer, tasks, has_film=bool(film)))}")
            ending = await _stop(service)
            if group is not None:
                seen.oom_kills = group.oom_kills()
        if not ending.passed:
            remarks.append(f"the end of the service's log:\n{service.tail(8)}")
        verdict = judge(tally, seen, plan.limit_bytes, left, remarks)
        verdict = Verdict((ending, *verdict.rows), verdict.remarks)
        return Outcome(verdict, tally, seen, service.log.read_text(errors="replace"))


async def _drive(
    load: Coroutine[Any, Any, None], tally: Tally, service: Service, group: MemoryGroup | None, show: Progress
) -> tuple[Watched, list[str]]:
    """Load the service while it is watched, then wait until it has given everything back."""
    watch = Watch(service, group, tally)
    loading = asyncio.create_task(load)
    beside = [
        asyncio.create_task(watch.run()),
        asyncio.create_task(_draw(show, tally, watch.seen)),
        asyncio.create_task(_end_with(service, loading)),
    ]
    try:
        await asyncio.wait([loading])
        if not loading.cancelled():
            loading.result()
    finally:
        for task in (loading, *beside):
            task.cancel()
        await asyncio.gather(loading, *beside, return_exceptions=True)
        watch.close()
    tally.ended = tally.ended or time.monotonic()
    return watch.seen, await _left_behind(service)


async def _end_with(service: Service, loading: asyncio.Task[None]) -> None:
    """End the load when the service has ended."""
    while service.exit_code is None:  # noqa: ASYNC110 - it is a process
        await asyncio.sleep(0.2)
    loading.cancel()


async def _draw(show: Progress, tally: Tally, seen: Watched) -> None:
    while True:
        show(tally, seen)
        await asyncio.sleep(_DRAW_SECONDS)


async def _left_behind(service: Service) -> list[str]:
    """Wait until the service holds nothing but its processes; return what it still holds when that takes too long."""
    if service.exit_code is not None:
        return []
    client = HttpClient(service.port)
    give_up_at = time.monotonic() + _IDLE_SECONDS
    try:
        while left := unfinished((await client.get("/metrics/memory")).json()):
            if time.monotonic() > give_up_at:
                break
            await asyncio.sleep(0.2)
    finally:
        client.close()
    return left


def unfinished(report: dict[str, Any]) -> list[str]:
    """Return what a report of `/metrics/memory` shows beyond an idle service: work in the ledger, files, streams."""
    lasting = ("api", "connections", "resumable", "storage", "model:", "tracker:", "zygote", "cache", "imaging", "jobs")
    left = [holder["owner"] for holder in report["budget"]["holders"] if not holder["owner"].startswith(lasting)]
    left += [f"{report['budget']['waiting']} waiting"] if report["budget"]["waiting"] else []
    left += [f"{report['tempFiles']['count']} temporary files"] if report["tempFiles"]["count"] else []
    left += [f"{report['uploads']['active']} uploads"] if report["uploads"]["active"] else []
    left += [f"{report['streams']['active']} streams"] if report["streams"]["active"] else []
    return left


async def _stop(service: Service) -> Row:
    """Stop the service in order; return what became of it."""
    name, wanted = "service", "ends with 0"
    if service.exit_code is not None:
        return Row(name, f"ended by itself with {service.exit_code}", wanted, passed=False)
    client = HttpClient(service.port)
    try:
        died = _WORKERS_DIED.search((await client.get("/metrics")).body)
    finally:
        client.close()
    code = await service.stop()
    return Row(name, f"exit code {code}; {int(float(died[1])) if died else 0} workers died", wanted, code == 0)


@contextmanager
def _folder(settings: Settings) -> Iterator[Path]:
    """Lend a folder on the file system where media would be stored."""
    settings.storage.root.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="soak-", dir=settings.storage.root.resolve()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _limited(limit_bytes: int) -> Iterator[tuple[MemoryGroup | None, list[str]]]:
    """Lend a control group with this limit, and remarks; None where none can be made."""
    with contextlib.ExitStack() as stack:
        try:
            group = stack.enter_context(memory_group(limit_bytes))
        except GroupUnavailable as error:
            remark = f"{error}: the limit was BALLAST_MEMORY__LIMIT alone, and the kernel enforced nothing"
            yield None, [remark]
        else:
            yield group, [f"in a memory control group (v{group.version}) of {limit_bytes} bytes"]
