"""A child that a picture has taken over, inside the real cage of a real service: it gets nothing.

Hijacked is a task that is dropped into a copy of the application: what it tries is in `hijacker.py`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.workers import landlock
from tests.e2e.server import RunningServer, run_server
from tests.media_files import REPOSITORY
from tests.samples import png

pytestmark = [
    pytest.mark.model("blaze_face_short_range.tflite"),
    pytest.mark.skipif(importlib.util.find_spec("mediapipe") is None, reason="mediapipe is not installed"),
]

_REFUSALS = {f"refused: {name}" for name in ("EPERM", "EACCES", "ENOSYS")}
KEY = "the-key-of-the-service"

_HIJACKED = '''"""Hijacked: does what somebody else wants."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from app.domain.units import MIB
from app.vision.hijacker import Hijacker, _outcome
from app.vision.task import Found, Model, VisionTask


@dataclass(frozen=True, slots=True)
class HijackedParams:
    api: Annotated[int, Ge(1)] = 1
    sibling: Annotated[int, Ge(1)] = 1


class Hijacked(VisionTask):
    name = "hijacked"
    summary = "does what somebody else wants"
    asset = "blaze_face_short_range.tflite"
    Params = HijackedParams
    model_bytes = tracker_bytes = 4 * MIB

    @classmethod
    def load(cls, asset, params):
        return TakenOver(asset, params)

    load_tracker = load


class TakenOver(Model):
    def __init__(self, asset, params):
        self._asset, self._params = asset, params

    def detect(self, rgb, timestamp_ms=None):
        root = Path(ROOT)
        folders = (root, root / "media", Path(__file__).parent, self._asset.parent)
        others = (os.getppid(), self._params.sibling)
        hijacker = Hijacker(self._params.api, others, root / "state" / "url_secret", folders)
        outcomes = hijacker.outcomes()
        for channel in [number for number in range(64) if is_socket(number)]:  # of messages, and of descriptors
            outcomes |= {
                f"{name} ({channel})": _outcome(attempt) for name, attempt in hijacker.channel(channel)
            }
        own = {"environment": sorted(os.environ), "model": _outcome(lambda: self._asset.read_bytes()[:4])}
        return Found([{"outcomes": outcomes, **own}])

    def close(self):
        pass


def is_socket(number):
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False
'''


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("hijacked")
    shutil.copytree(REPOSITORY / "app", folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).with_name("hijacker.py"), folder / "app" / "vision")
    task = _HIJACKED.replace("ROOT", repr(str(folder / "var")))
    (folder / "app" / "vision" / "tasks" / "hijacked.py").write_text(task)
    with run_server(folder, {"SERVER__API_KEYS": KEY, "VISION__WORKERS": "1"}) as server:
        yield server


@pytest.fixture(scope="module")
def taken_over(server: RunningServer) -> Iterator[dict[str, object]]:
    """What the hijacked child tells of its attempts, after a picture of somebody else was stored and analysed."""
    with server.client(headers={"Authorization": f"Bearer {KEY}"}) as client:
        assert client.post("/v1/media", content=png(64, 64)).status_code == 201
        assert client.post("/v1/vision/face-detection", content=png(64, 64)).status_code == 200
        sibling = server.only_child()
        answer = client.post(f"/v1/vision/hijacked?api={server.process.pid}&sibling={sibling}", content=png(64, 64))
        assert answer.status_code == 200, answer.text
        yield answer.json()["detections"][0]
        assert client.post("/v1/vision/face-detection", content=png(64, 64)).status_code == 200


@pytest.fixture
def outcomes(taken_over: dict[str, object]) -> dict[str, str]:
    found = taken_over["outcomes"]
    assert isinstance(found, dict)
    return found


def got(outcomes: dict[str, str], group: str) -> dict[str, str]:
    """Return the attempts of one group that the cage did not refuse; there must be attempts.

    Another error (bad arguments, no such process) would come from the call itself: it was let through.
    """
    tried = {name: outcome for name, outcome in outcomes.items() if name.startswith(group + " ")}
    assert tried, outcomes
    return {name: outcome for name, outcome in tried.items() if outcome not in _REFUSALS}


@pytest.mark.parametrize("group", ["write", "signal", "network", "channel", "process", "kernel"])
def test_it_gets_nothing(outcomes: dict[str, str], group: str) -> None:
    assert got(outcomes, group) == {}


@pytest.mark.parametrize("group", ["look", "read"])
@pytest.mark.skipif(landlock.abi() == 0, reason="this kernel has no Landlock")
def test_it_reads_nothing_that_is_not_its_own(outcomes: dict[str, str], group: str, server: RunningServer) -> None:
    own_code = f"read {server.root.parent / 'app' / 'vision' / 'tasks'}"

    found = got(outcomes, group)

    assert found.keys() - {own_code} == set()


def test_it_cannot_look_into_the_service_whatever_the_kernel_has(
    outcomes: dict[str, str], server: RunningServer
) -> None:
    tried = {
        name: outcome for name, outcome in outcomes.items() if name.startswith(f"look /proc/{server.process.pid}/")
    }

    assert len(tried) == 8
    # The command line is everybody's to see, and the numbers of descriptors are their owner's, which for root is root.
    harmless = {f"look /proc/{server.process.pid}/{name}" for name in ("cmdline", "fd")}
    assert {name for name, outcome in tried.items() if outcome not in _REFUSALS} <= harmless


def test_there_is_no_secret_in_its_environment(taken_over: dict[str, object]) -> None:
    environment = taken_over["environment"]

    assert isinstance(environment, list)
    assert "PYTHONPATH" in environment
    assert [name for name in environment if name.startswith(("BALLAST", "AWS"))] == []


def test_it_reads_its_model(taken_over: dict[str, object]) -> None:
    assert str(taken_over["model"]).startswith("got")


def test_the_service_is_as_it_was(taken_over: dict[str, object], server: RunningServer) -> None:
    assert taken_over
    with server.client() as client:
        assert client.get("/health/live").status_code == 200
        assert client.get("/v1/media").status_code == 401
    folders = sorted(path.name for path in server.root.iterdir())
    assert folders == ["derived", "jobs", "lock", "media", "staging", "state", "tmp"]
    assert os.getpriority(os.PRIO_PROCESS, server.process.pid) == os.getpriority(os.PRIO_PROCESS, 0)


def test_the_same_attempts_succeed_outside_of_the_cage(tmp_path: Path) -> None:
    """Else they would prove nothing. What would harm the machine is not tried here."""
    (tmp_path / "secret").write_text("hush")
    groups = ("looks", "reads", "writes", "signals", "network", "processes")
    program = f"""
import json, sys
from pathlib import Path
from tests.e2e.hijacker import Hijacker, _outcome
hijacker = Hijacker(int(sys.argv[1]), (), Path(sys.argv[2]), (Path(sys.argv[2]).parent,))
found = {{name: _outcome(attempt) for group in {groups!r} for name, attempt in getattr(hijacker, group)()}}
print(json.dumps(found))
"""
    with subprocess.Popen(["/bin/sleep", "60"]) as victim:
        answer = subprocess.run(
            [sys.executable, "-c", program, str(victim.pid), str(tmp_path / "secret")],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        victim.kill()

    failed = {name for name, outcome in json.loads(answer.stdout).items() if outcome.startswith("refused")}
    # Bad arguments (what is read by them would be more than an attempt), and what not every kernel or user has.
    assert {name.partition("/proc")[0].partition(" 1")[0] for name in failed} <= {
        "look process_vm_readv", "read by openat2", "signal queue", "signal by fcntl, extended", "network AF_NETLINK",
        "network AF_PACKET", "network AF_VSOCK", "network AF_ALG", "signal niceness",
    }  # fmt: skip
