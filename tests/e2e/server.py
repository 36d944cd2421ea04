"""The real service as a subprocess: started with given settings and a root of its own, examined when it ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.conftest import MODELS_FOLDER
from tests.media_files import REPOSITORY

T = TypeVar("T")

START_SECONDS = 20.0
STOP_SECONDS = 20.0
_LASTING = re.compile(r"api|connections|storage|cache|resumable|zygote|model:.+")
"""Owners in the ledger that stay when nobody asks for anything."""

PROBLEM_MEMBERS = {"type", "title", "status", "detail", "code", "requestId"}


@dataclass(slots=True)
class RunningServer:
    """One service that runs. `expect_in_log` names lines (regular expressions) that would fail the test otherwise."""

    process: subprocess.Popen[bytes]
    root: Path
    log_path: Path
    secrets: tuple[str, ...] = ()
    port: int = 0
    probe_port: int = 0
    _expected: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30, **options)

    def connect(self) -> socket.socket:
        """Open a bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def memory(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/metrics/memory", timeout=30) as answer:  # quicker than httpx.get
            document = json.load(answer)
        assert isinstance(document, dict)
        return document

    def workers(self) -> list[int]:
        """Return the process ids of the vision workers, as the memory probe tells them."""
        return [process["pid"] for process in self.memory()["processes"] if process["role"] == "vision"]

    def zygotes(self) -> set[int]:
        """Return the one process that children are forked from, if it is there."""
        return {pid for pid in children_of(self.process.pid) if _is_running(pid, "zygote")}

    def children(self) -> set[int]:
        """Return the processes with a model, whichever way they were started."""
        plain = {pid for pid in children_of(self.process.pid) if _is_running(pid, "worker")}
        return plain.union(*(children_of(pid) for pid in self.zygotes()))

    def only_child(self) -> int:
        """Return the one process with a model, when all others have gone."""
        eventually(lambda: len(self.children()) == 1)
        (pid,) = self.children()
        return pid

    def at_work(self) -> list[str]:
        """Return the owners of what is held for requests: not by the service, its models and its cache themselves."""
        owners = {holder["owner"] for holder in self.memory()["budget"]["holders"]}
        return sorted(owner for owner in owners if not _LASTING.fullmatch(owner))

    def expect_in_log(self, pattern: str) -> None:
        self._expected.append(pattern)

    def log_text(self) -> str:
        return self.log_path.read_text()

    def log_lines(self) -> list[dict[str, Any]]:
        """Return what it logged so far; a line that is just being written is left out."""
        return [json.loads(line) for line in self.log_text().rpartition("\n")[0].splitlines()]

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it in order and check that nothing is left of it."""
        family = descendants(self.process.pid)
        self.process.send_signal(number)
        code = self.process.wait(STOP_SECONDS)
        assert code == 0, f"exit code {code}: {self.log_text()[-2000:]}"
        left = [pid for pid in family if Path(f"/proc/{pid}").exists()]
        assert not left, f"processes {left} outlive the service"
        assert list((self.root / "tmp").iterdir()) == []
        self.check_log()

    def check_log(self) -> None:
        text = self.log_text()
        troubles = [
            line
            for line, words in zip(text.splitlines(), self.log_lines(), strict=True)
            if (words["level"] in ("error", "critical") or "Traceback" in line)
            and not any(re.search(pattern, line) for pattern in self._expected)
        ]
        assert not troubles, "\n".join(troubles)
        private = [*self.secrets, str(self.root), str(REPOSITORY), str(MODELS_FOLDER)]
        assert not [word for word in private if word in text]


@contextmanager
def run_server(
    folder: Path,
    settings: Mapping[str, str] | None = None,
    *,
    secrets: tuple[str, ...] = (),
    program: tuple[str, ...] = ("app", "serve"),
) -> Iterator[RunningServer]:
    """Start the service in `folder`, wait until it is ready, and stop it with SIGTERM after the block.

    `settings` are `BALLAST_*` variables without that prefix. `secrets` are words that must not be in the log. `program`
    is the module to run, and its arguments.
    """
    root, log_path = folder / "var", folder / "log.jsonl"
    environment = service_environment(settings or {})
    with log_path.open("wb") as log_file:
        process = subprocess.Popen([sys.executable, "-m", *program], cwd=folder, env=environment, stderr=log_file)
    server = RunningServer(process, root, log_path, secrets)
    try:
        _wait_until_it_listens(server, two="SERVER__PROBE_PORT" in (settings or {}))
        yield server
        if process.returncode is None:
            server.stop()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def run_to_its_end(folder: Path, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Start a service that is expected to refuse, and return what it said."""
    return subprocess.run(
        [sys.executable, "-m", "app", "serve"],
        cwd=folder, env=service_environment(settings), capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip


def service_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which no setting is made but these, the port (any free one) and the models."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BALLAST_")}
    ours = {
        "SERVER__PORT": "0",
        "MODELS__DIR": str(MODELS_FOLDER),
        "STORAGE__FREE_FLOOR": "0",
        "SERVER__LAME_DUCK_SECONDS": "0",
    }
    ours |= settings
    return environment | {"PYTHONPATH": str(REPOSITORY)} | {f"BALLAST_{name}": value for name, value in ours.items()}


def eventually(look: Callable[[], T], seconds: float = 10.0) -> T:
    """Return the first answer of `look` that is true.

    Raises:
        AssertionError: there was none for so long.
    """
    give_up_at = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < give_up_at, "it did not happen in time"
        time.sleep(0.02)
    return found


def problem_of(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is the contract's problem, member by member, and return it."""
    assert (answer.status_code, answer.headers.get("content-type")) == (status, "application/problem+json"), answer.text
    document: dict[str, Any] = answer.json()
    assert document.keys() >= PROBLEM_MEMBERS
    assert (document["status"], document["code"]) == (status, code)
    assert document["requestId"] == answer.headers["x-request-id"]
    assert document["type"].endswith(code)
    assert document["title"]
    assert document["detail"]
    assert "Traceback" not in answer.text
    assert str(REPOSITORY) not in answer.text
    assert "/tmp" not in answer.text
    if status in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1
    return document


def children_of(pid: int) -> set[int]:
    """Return the children of a process."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended
            found |= {int(word) for word in task.read_text().split()}
    return found


def descendants(pid: int) -> set[int]:
    """Return the processes below one."""
    children = children_of(pid)
    return children.union(*(descendants(child) for child in children))


def _is_running(pid: int, command: str) -> bool:
    try:
        return command.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:  # it has ended
        return False


def _wait_until_it_listens(server: RunningServer, two: bool) -> None:
    def ports() -> dict[str, int]:
        code = server.process.poll()
        assert code is None, f"exit code {code}: {server.log_text()[-2000:]}"
        whole = server.log_text().rpartition("\n")[0].splitlines()
        lines = [json.loads(line) for line in whole]
        return {line["message"].partition(" ")[0]: line["port"] for line in lines if "port" in line}

    found = eventually(lambda: seen if len(seen := ports()) == 1 + two else None, START_SECONDS)
    assert found is not None
    server.port, server.probe_port = found["listening"], found.get("probes", 0)
