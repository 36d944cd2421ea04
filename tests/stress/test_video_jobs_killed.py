"""Jobs in chunks while everything is killed at random moments: no finished step is done again, nothing is lost."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.jobs import job, left_over, settings, wait_for
from tests.e2e.server import RunningServer, eventually, run_server
from tests.e2e.test_jobs_killed import kill_all
from tests.ffmpeg.clips import tool
from tests.samples import png
from tests.stress.films import face_film, hand_film

pytestmark = [pytest.mark.model, pytest.mark.photo]

_KILLS = int(os.environ.get("STRESS_KILLS", "20"))
_SUBMIT_SECONDS = 120.0  # a machine that is busy leaves little to ffmpeg, which is asked what it can do
_START_SECONDS = 2.0
"""What a new service takes until a job goes on, about."""

MakeInputs = Callable[[Path, int], Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of job. `inputs` makes what is cut into so many chunks, in a folder."""

    kind: str
    params: Mapping[str, Any]
    inputs: MakeInputs


def _faces(folder: Path, chunks: int) -> list[bytes]:
    return [face_film(folder / "face.mp4", 10.0 * chunks).read_bytes()]


def _hands(folder: Path, chunks: int) -> list[bytes]:
    return [hand_film(folder / "hand.mp4", 60.0 * chunks, (160, 90), 10).read_bytes()]


def _pictures(_: Path, chunks: int) -> list[bytes]:
    return [png(160 + place % 2 * 32, 90) for place in range(40 * chunks)]


CASES = [
    Case("transcode", {"videoCodec": "h264", "maxHeight": 180}, _faces),
    Case("hls", {"heights": [180], "segmentSeconds": 5}, _faces),
    Case("timelapse", {"framesPerPicture": 2}, _pictures),
    Case("analyze", {"task": "hands", "sampleFps": 1}, _hands),
    Case("anonymize", {}, _faces),
]


@pytest.mark.parametrize(
    ("chunks", "kills"),
    [
        pytest.param(3, 2, marks=pytest.mark.timeout(600)),
        pytest.param(8, _KILLS, marks=[pytest.mark.stress, pytest.mark.timeout(3600)]),
    ],
)
@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.kind, marks=[] if case.kind == "transcode" else pytest.mark.stress) for case in CASES],
)
def test_kills_at_random_cost_the_step_at_work_each_and_change_nothing(
    case: Case, chunks: int, kills: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.e2e.server.START_SECONDS", 120.0)
    stand = Stand(tmp_path, case)
    stand.begin(chunks)
    seed = random.randrange(1 << 30)
    moments, done, jobs = random.Random(seed), 0, 0

    while done < kills:
        disturbed = stand.disturb(moments, kills - done)
        done, jobs = done + disturbed.kills, jobs + 1
        assert disturbed.product == stand.product
        assert disturbed.done_again() == []
        assert disturbed.beginnings <= len(disturbed.at_the_end) + disturbed.kills

    print(f"{case.kind}: {done} kills in {jobs} jobs of {stand.seconds:.1f} s; seed {seed}")  # noqa: T201 - `-rP`


@dataclass(frozen=True, slots=True)
class Written:
    """A step in the book: how often it was begun, and what it returned (None: it is not done)."""

    begun: int
    weight: float
    result: str | None


Steps = Mapping[str, Written]


@dataclass(slots=True)
class Disturbed:
    """A job that was killed at times: its steps at each kill and at the end, and what came of it."""

    at_kills: list[Steps] = field(default_factory=list)
    at_the_end: Steps = field(default_factory=dict)
    product: Any = None

    @property
    def kills(self) -> int:
        return len(self.at_kills)

    @property
    def beginnings(self) -> int:
        return sum(step.begun for step in self.at_the_end.values())

    def done_again(self) -> list[str]:
        """Return the steps that were done when all was killed, and are not as they were then."""
        done = [(name, step) for steps in self.at_kills for name, step in steps.items() if step.result is not None]
        return sorted({name for name, step in done if self.at_the_end[name] != step})


class Stand:
    """One folder, in which one service after the other is run. `product` and `seconds` are those of a run in peace."""

    def __init__(self, folder: Path, case: Case) -> None:
        self.product: Any = None
        self.seconds = 0.0
        self._folder = folder
        self._case = case
        self._inputs: str | list[str] = ""
        self._items = 0

    def begin(self, chunks: int) -> None:
        """Store the inputs, and do the job once in peace."""
        with run_server(self._folder, settings()) as server, server.client() as client:
            ids = [_store(client, data) for data in self._case.inputs(self._folder, chunks)]
            self._inputs, self._items = ids[0] if len(ids) == 1 else ids, len(ids)
            began = time.monotonic()
            self.product = self._finish(server, client, self._submit(client))
            self.seconds = time.monotonic() - began

    def disturb(self, moments: random.Random, kills: int) -> Disturbed:
        """Do the job while everything is killed at random moments, at most so often."""
        found, job_id, shown = Disturbed(), "", 0.0
        while found.product is None:
            with run_server(self._folder, settings()) as server, server.client() as client:
                job_id = job_id or self._submit(client)
                assert job(client, job_id)["progress"] >= shown - self._chunk(found)
                is_left = found.kills < kills
                if not is_left or self._ends_within(client, job_id, moments.uniform(0.0, self._longest())):
                    found.product = self._finish(server, client, job_id)
                    continue
                shown = job(client, job_id)["progress"]
                kill_all(server)
            found.at_kills.append(_steps(server, job_id))
        found.at_the_end = _steps(server, job_id)
        return found

    def _longest(self) -> float:
        return _START_SECONDS + self.seconds / 2

    @staticmethod
    def _chunk(found: Disturbed) -> float:
        """Return the share that the largest step has of the whole."""
        weights = [step.weight for step in found.at_kills[-1].values()] if found.at_kills else [1.0]
        return max(weights) / sum(weights) + 1e-6

    def _submit(self, client: httpx.Client) -> str:
        order = {"kind": self._case.kind, "input": self._inputs, "params": dict(self._case.params)}
        answer = client.post("/v1/jobs", json=order, timeout=_SUBMIT_SECONDS)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    @staticmethod
    def _ends_within(client: httpx.Client, job_id: str, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if job(client, job_id)["state"] == "succeeded":
                return True
            time.sleep(min(0.1, max(0.0, until - time.monotonic())))
        return False

    def _finish(self, server: RunningServer, client: httpx.Client, job_id: str) -> Any:
        """Wait for the end of the job, and until nothing is left of it but its result; return that."""
        done = wait_for(client, job_id, "succeeded", seconds=600)
        self._items += len(done["result"]["media"])
        assert _count(client) == self._items
        eventually(lambda: left_over(server.root) == [])
        eventually(lambda: server.at_work() == [])
        eventually(lambda: "\nballast_storage_reserved_bytes 0.0\n" in client.get("/metrics").text)
        return [_without_bytes(done["result"]["summary"]), *(_told(client, item) for item in done["result"]["media"])]


def _without_bytes(summary: Any) -> Any:
    """Return a summary without the address, which has an id, and without sizes: with two threads x264 does not give the
    same bytes each time on a busy machine (2 of 14 runs of the same command were some bytes longer or shorter)."""
    if isinstance(summary, list):
        return [_without_bytes(one) for one in summary]
    if isinstance(summary, dict):
        differing = ("master", "sizeBytes", "bandwidth")
        return {name: _without_bytes(one) for name, one in summary.items() if name not in differing}
    return summary


def _store(client: httpx.Client, data: bytes) -> str:
    return str(client.post("/v1/media?inline=never", content=data).raise_for_status().json()["id"])


def _count(client: httpx.Client) -> int:
    found, cursor = 0, ""
    while True:
        page = client.get(f"/v1/media?limit=100{cursor}").raise_for_status().json()
        found += len(page["items"])
        if not page.get("nextCursor"):
            return found
        cursor = f"&cursor={page['nextCursor']}"


def _told(client: httpx.Client, item: Mapping[str, Any]) -> Any:
    """Return what is to be the same: of a video frames, duration and size, of anything else a checksum."""
    content = client.get(item["url"]).raise_for_status().content
    if item["contentType"] == "application/vnd.ballast.hls+zip":
        return _playlist(client, item)
    if not item["contentType"].startswith("video/"):
        return hashlib.sha256(content).hexdigest()
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        command: list[str | Path] = [
            *(tool("ffprobe"), "-v", "error", "-count_frames", "-select_streams", "v"),
            *("-show_entries", "stream=nb_read_frames,width,height,duration", "-of", "csv=p=0", file.name),
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _playlist(client: httpx.Client, item: Mapping[str, Any]) -> list[str]:
    """Return the playlists of a film for players: how long each segment is shown, in order."""
    base = f"/v1/media/{item['id']}/hls/"
    master = client.get(f"{base}master.m3u8").raise_for_status().text
    names = [line for line in master.splitlines() if line and not line.startswith("#")]
    return [client.get(base + name).raise_for_status().text for name in names]


def _steps(server: RunningServer, job_id: str) -> Steps:
    """Return the steps of a job as they stand in the book; it is read as a copy, so that the service finds its own."""
    with tempfile.TemporaryDirectory() as folder:
        for path in (server.root / "jobs").glob("book.sqlite3*"):
            shutil.copy(path, folder)
        with closing(sqlite3.connect(Path(folder) / "book.sqlite3")) as book:
            rows = book.execute("SELECT name, begun, weight, result FROM step WHERE job = ? ORDER BY place", (job_id,))
            return {name: Written(begun, weight, result) for name, begun, weight, result in rows}
