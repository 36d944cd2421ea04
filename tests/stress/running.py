"""What the stress tests share: the service in its group, callers, and a look for what is left."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from app.domain.units import MIB
from app.settings import Settings
from soak.cgroup import MemoryGroup
from soak.cold import drop_from_cache, program_folders
from soak.http import LOST, Answer, HttpClient
from soak.runner import unfinished
from soak.service import Service, run_service
from tests.media_files import photo

LIMIT_BYTES = 300 * MIB
HANDS = "/v1/vision/hands?cache=false"


@dataclass(slots=True)
class Stand:
    """Runs the service in one control group, with one storage folder."""

    folder: Path
    group: MemoryGroup

    @asynccontextmanager
    async def serve(
        self, settings: Mapping[str, str] | None = None, log: str = "service.log"
    ) -> AsyncIterator[Subject]:
        """Start it as a fresh container does: with none of its files in the page cache."""
        await asyncio.to_thread(drop_from_cache, program_folders(Settings().models.dir))
        async with run_service(self.folder, self.group, settings or {}, log_name=log) as service:
            subject = Subject(service, self.group, self.folder)
            try:
                yield subject
            finally:
                subject.client.close()


class Subject:
    """The running service and what is asked of it."""

    def __init__(self, service: Service, group: MemoryGroup, folder: Path) -> None:
        self.service = service
        self.group = group
        self.folder = folder
        self.client = HttpClient(service.port)

    def connect(self) -> HttpClient:
        return HttpClient(self.service.port)

    async def memory(self) -> dict[str, Any]:
        answer = await self.client.get("/metrics/memory")
        assert answer.status == 200
        document: dict[str, Any] = answer.json()
        return document

    async def level(self) -> str:
        level: str = (await self.memory())["level"]
        return level

    @asynccontextmanager
    async def watching_levels(self, every_seconds: float = 0.1) -> AsyncIterator[set[str]]:
        """Collect the levels while the block runs, over a connection of its own; a look that fails, fails the block."""
        levels, running = set[str](), True

        async def look() -> None:
            with contextlib.closing(self.connect()) as client:
                while running:
                    levels.add((await client.get("/metrics/memory")).json()["level"])
                    await asyncio.sleep(every_seconds)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(look())
            try:
                yield levels
            finally:
                running = False

    async def pids(self, role: str) -> list[int]:
        return [process["pid"] for process in (await self.memory())["processes"] if process["role"] == role]

    async def until(self, seen: Callable[[dict[str, Any]], bool], seconds: float = 15.0) -> dict[str, Any]:
        """Return the first memory report that `seen` likes.

        Raises:
            AssertionError: there was none for so long; the last report is in the text.
        """
        give_up_at = time.monotonic() + seconds
        while not seen(report := await self.memory()):
            assert time.monotonic() < give_up_at, f"it did not happen in time: {summary(report)}\n{self.service.tail()}"
            await asyncio.sleep(0.1)
        return report

    async def footprint(self) -> Footprint:
        """Return what the service has open, once it has seen all its processes."""
        report = await self.until(lambda report: {one["pid"] for one in report["processes"]} == set(self.group.pids()))
        return Footprint(_open_files(self.service.pid), len(report["processes"]) - 1)

    async def assert_nothing_is_left(self, before: Footprint) -> None:
        """Assert that the ledger, streams, uploads, temporary files and descriptors are those of an idle service."""
        await self.until(lambda report: not unfinished(report) and _has_as_many_children_as_entries(report))
        give_up_at = time.monotonic() + 10
        while _temporary_files(self.folder) and time.monotonic() < give_up_at:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.05)  # a thread is just removing it
        assert _temporary_files(self.folder) == []
        while left := (now := await self.footprint()).beyond(before):
            assert time.monotonic() < give_up_at, f"left open: {left}; before {before}, now {now}"
            await asyncio.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Footprint:
    """Open files of the API by kind, and how many children it has."""

    files: Counter[str]
    children: int

    def beyond(self, before: Footprint) -> Counter[str]:
        """Return what there is more than before, less what each further child takes.

        A channel of messages and one of descriptors, its pidfd, and its status.
        """
        more = max(0, self.children - before.children)
        taken = Counter({"socket": 2 * more, "anon_inode:[pidfd]": more, "/proc/N/status": more})
        return self.files - before.files - taken


def _has_as_many_children_as_entries(report: Mapping[str, Any]) -> bool:
    children = sum(process["role"] not in ("api", "other") for process in report["processes"])
    owners: list[str] = [holder["owner"] for holder in report["budget"]["holders"]]
    return children == sum(owner.startswith(("model:", "tracker:", "zygote", "imaging", "jobs")) for owner in owners)


def _open_files(pid: int) -> Counter[str]:
    found = Counter[str]()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed in between
            target = str(link.readlink())
            found[re.sub(r":\[\d+\]$", "", re.sub(r"^/proc/\d+/", "/proc/N/", target))] += 1
    return found


def _temporary_files(folder: Path) -> list[str]:
    return [path.name for path in (folder / "var" / "tmp").rglob("*") if path.is_file()]


@dataclass(slots=True)
class Caller:
    """Sends photos, `in_flight` at a time, for as long as it is wanted, and counts the answers."""

    subject: Subject
    in_flight: int = 4
    answers: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    widths: Counter[int] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    done: int = 0

    async def send(self, count: int) -> None:
        """Send so many photos; one that is shed is sent again when the service says."""
        wanted = self.done + count
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self.in_flight):
                tasks.create_task(self._work(lambda: self.done < wanted))

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[Self]:
        """Send without an end while the block runs."""
        running = True
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self.in_flight):
                tasks.create_task(self._work(lambda: running))
            try:
                yield self
            finally:
                running = False

    async def _work(self, wanted: Callable[[], bool]) -> None:
        picture = photo("thumb_up.jpg").read()
        client = self.subject.connect()
        try:
            while wanted():
                self.done += 1
                try:
                    answer = await client.post(HANDS, picture, "image/jpeg")
                except LOST as error:
                    self.lost.append(repr(error))
                    await asyncio.sleep(0.5)
                    continue
                self._count(answer)
                if answer.status == 503:
                    await asyncio.sleep(min(1.0, float(answer.headers.get("retry-after", 1))))
        finally:
            client.close()

    def _count(self, answer: Answer) -> None:
        words = answer.json()
        self.answers[str(answer.status) if answer.status == 200 else f"{answer.status} {words.get('code')}"] += 1
        if answer.status == 200:
            self.modes[words["mode"]] += 1
            self.widths[words["analyzedWidth"]] += 1
        elif answer.status != 503 or "retry-after" not in answer.headers:
            self.bad.append(f"{answer.status} {words.get('code')}: {words.get('detail')}")


def summary(report: Mapping[str, Any]) -> str:
    """Return the numbers of a memory report that one wants to see where a test fails."""
    holders: Sequence[Mapping[str, Any]] = report["budget"]["holders"]
    mib = {name: f"{report[name] / MIB:.0f}" for name in ("workingSetBytes", "limitBytes", "unaccountedBytes")}
    owners = [f"{h['owner']} {h['reservedBytes'] / MIB:.0f}/{h['residentBytes'] / MIB:.0f}" for h in holders]
    processes = [f"{p['role']} {p['pid']} {p['rssBytes'] / MIB:.0f}" for p in report["processes"]]
    return f"{report['level']} {report['reasons']} {mib} holders {owners} processes {processes}"
