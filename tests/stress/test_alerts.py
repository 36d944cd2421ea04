"""Each alert of docs/monitoring fires in a real Prometheus when it is provoked, none where all is well."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import uvloop

from app.domain.units import MIB
from app.main import create_app
from app.settings import Settings
from tests.e2e.server import RunningServer, eventually, run_server
from tests.memory.gauges import FakeGauge
from tests.samples import png
from tests.serving import free_port, serve
from tests.stress.prometheus import DASHBOARD, Prometheus, needs_prometheus, run_prometheus

pytestmark = [pytest.mark.stress, pytest.mark.model("hand_landmarker.task"), needs_prometheus]

IN_QUICK_TIME = {"STORAGE__WATCH_SECONDS": "0.5"}
WITHOUT_DATA = {"ballast_object_store", "ballast_storage_quota_bytes"}
"""What a service on the local disk without a quota has nothing to show of."""


@pytest.fixture(scope="module", autouse=True)
def _first_loop() -> None:
    """The first loop of a process opens a pipe for signals, which libuv keeps: it is none that a test leaves."""
    uvloop.new_event_loop().close()


class Scene:
    """Services that something is wrong with, and which alerts are to fire for each."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.stack = stack
        self.expected: dict[str, set[str]] = {}
        self.folder = folder

    def serve(self, name: str, **settings: str) -> RunningServer:
        """Run a service of its own."""
        folder = self.folder / name
        folder.mkdir()
        return self.stack.enter_context(run_server(folder, {**IN_QUICK_TIME, **settings}))

    def expect(self, port: int, *alerts: str) -> None:
        """Scrape what listens on a port; these alerts are to fire for it."""
        self.expected[f"127.0.0.1:{port}"] = set(alerts)

    def repeat(self, deed: Callable[[], object], pause_seconds: float = 0.3) -> None:
        """Do something again and again, in a thread of its own, until the scene is over."""
        over = threading.Event()

        def run() -> None:
            while not over.wait(pause_seconds):
                with suppress(httpx.HTTPError, OSError):  # a service that is about to end
                    deed()

        thread = threading.Thread(target=run)
        thread.start()
        self.stack.callback(thread.join)
        self.stack.callback(over.set)

    def missing(self, prometheus: Prometheus) -> set[tuple[str, str]]:
        """Return what does not fire."""
        wanted = {(alert, target) for target, alerts in self.expected.items() for alert in alerts}
        return wanted - prometheus.firing()


def down(scene: Scene) -> None:
    scene.expect(free_port(), "BallastDown")


def full_disk(scene: Scene) -> None:
    server = scene.serve("full", STORAGE__FREE_FLOOR="900T")
    scene.expect(server.port, "BallastDiskFull", "BallastNotReady")


def hanging_disk(scene: Scene) -> None:
    """A write that does not come back: a pipe that nobody reads stands where the byte goes."""
    server = scene.serve("hanging")
    path = server.root / "state" / "watch"
    eventually(path.exists)
    path.unlink()
    os.mkfifo(path)
    scene.stack.callback(_let_go, path)
    scene.expect(server.port, "BallastDiskHangs", "BallastNotReady")


def used_quota(scene: Scene) -> None:
    server = scene.serve("quota", STORAGE__QUOTA="100K")
    body = png() + bytes(95_000)
    assert httpx.post(f"{server.url}/v1/media", content=body, headers={"Content-Type": "image/png"}).status_code == 201
    scene.expect(server.port, "BallastQuotaNearlyUsed")


def refused_connections(scene: Scene) -> None:
    server = scene.serve("connections", SERVER__MAX_CONNECTIONS="8", SERVER__PROBE_PORT="0")
    scene.repeat(partial(_crowd, server))
    scene.expect(server.probe_port, "BallastConnectionsRefused")


def few_descriptors(scene: Scene) -> None:
    server = scene.serve("descriptors", SERVER__HEADER_SECONDS="120")
    _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    present = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (present + 40, hard))
    for _ in range(36):
        scene.stack.enter_context(server.connect())
    scene.expect(server.port, "BallastFewDescriptors")


def dying_children(scene: Scene) -> None:
    server = scene.serve("children", VISION__WORKERS="1")
    server.expect_in_log("worker died|worker did not start")
    scene.repeat(partial(_kill_child, server))
    scene.expect(server.port, "BallastChildrenDie")


def failing_requests(scene: Scene) -> None:
    server = scene.serve("errors", VISION__DEADLINE_SECONDS="0.001", VISION__WORKERS="1")
    server.expect_in_log("worker")
    scene.repeat(partial(_analyze, server.port))
    scene.expect(server.port, "BallastErrors")


def object_store_away(scene: Scene) -> None:
    with EmptyBucket() as bucket:
        server = scene.serve(
            "bucket",
            STORAGE__BACKEND="s3", STORAGE__S3_BUCKET="media", STORAGE__S3_ENDPOINT=bucket.url,
            STORAGE__S3_ACCESS_KEY="key", STORAGE__S3_SECRET_KEY="secret",
        )  # fmt: skip
        assert httpx.get(f"{server.url}/health/ready").status_code == 200
    scene.expect(server.port, "BallastObjectStoreAway", "BallastNotReady")


def critical_memory(scene: Scene) -> None:
    scene.expect(_with_gauge(scene, "critical", FakeGauge(0.97)), "BallastMemoryCritical", "BallastNotReady")


def killed_for_memory(scene: Scene) -> None:
    gauge = FakeGauge(0.3)

    def kill() -> None:
        gauge.oom_kills += 1

    scene.repeat(kill)
    scene.expect(_with_gauge(scene, "oom", gauge), "BallastOutOfMemoryKill")


def unaccounted_memory(scene: Scene) -> None:
    scene.expect(_with_gauge(scene, "unaccounted", FakeGauge(0.6)), "BallastUnaccountedMemory")


def too_small_a_budget(scene: Scene) -> None:
    """What is taken from outside leaves nothing to grant, at LOW: requests wait, and are refused."""
    shares = {"moderate_share": 0.95, "high_share": 0.96, "critical_share": 0.97, "kill_share": 0.99}
    port = _with_gauge(scene, "budget", FakeGauge(0.9, 500 * MIB), wait_seconds=3.0, **shares)
    scene.repeat(partial(_analyze, port))
    scene.expect(port, "BallastShedsThoughMemoryIsFree", "BallastWaitsForMemory", "BallastUnaccountedMemory")


ALL = [
    down, full_disk, hanging_disk, used_quota, refused_connections, few_descriptors, dying_children,
    failing_requests, object_store_away, critical_memory, killed_for_memory, unaccounted_memory, too_small_a_budget,
]  # fmt: skip


@pytest.mark.parametrize("provoke", ALL)
def test_an_alert_fires_when_it_is_provoked(tmp_path: Path, provoke: Callable[[Scene], None]) -> None:
    with ExitStack() as stack:
        scene = Scene(stack, tmp_path)
        provoke(scene)
        with run_prometheus(tmp_path / "prometheus", list(scene.expected)) as prometheus:
            eventually(lambda: not scene.missing(prometheus), 60)


def test_none_fires_where_all_is_well(tmp_path: Path) -> None:
    with (
        run_server(tmp_path) as server,
        run_prometheus(tmp_path / "prometheus", [f"127.0.0.1:{server.port}"]) as prometheus,
    ):
        eventually(lambda: prometheus.query("count_over_time(ballast_ready[30s]) > 12"), 60)

        assert prometheus.firing() == set()


def test_there_is_no_alert_that_nothing_provokes(tmp_path: Path) -> None:
    named = set(re.findall(r'"(Ballast[A-Z]\w+)"', Path(__file__).read_text()))

    with run_prometheus(tmp_path / "prometheus", []) as prometheus:
        assert set(prometheus.rules()) == named


def test_each_panel_of_the_dashboard_shows_something(tmp_path: Path) -> None:
    document = json.loads(DASHBOARD.read_text())
    targets = [target["expr"] for panel in document["panels"] for target in panel.get("targets", [])]
    with (
        run_server(tmp_path) as server,
        run_prometheus(tmp_path / "prometheus", [f"127.0.0.1:{server.port}"]) as prometheus,
    ):
        eventually(lambda: len(prometheus.query("count_over_time(ballast_ready[10s]) > 3")), 30)

        empty = [
            expression
            for expression in targets
            if not prometheus.query(expression.replace("$instance", ".*").replace("$__rate_interval", "10s"))
        ]

    assert len(targets) >= 40
    assert [one for one in empty if not any(name in one for name in WITHOUT_DATA)] == []


def _with_gauge(scene: Scene, name: str, gauge: FakeGauge, **memory: float) -> int:
    """Run a service in this process whose gauge shows what it is told; return its port."""
    settings = Settings.model_validate(
        {
            "memory": {"sample_seconds": 0.2, **memory},
            "storage": {"root": scene.folder / name, "allow_tmpfs": True, "free_floor": 0},
            "vision": {"workers": 1},
        }
    )
    return scene.stack.enter_context(serve(create_app(settings, gauge=gauge.as_gauge)))


def _let_go(path: Path) -> None:
    """Read the pipe, so that the thread that waits for it ends."""
    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))


def _crowd(server: RunningServer) -> None:
    connections = [server.connect() for _ in range(10)]
    for connection in connections:
        connection.close()


def _analyze(port: int) -> int:
    picture = png(64, 64)
    return httpx.post(f"http://127.0.0.1:{port}/v1/vision/hands?cache=false", content=picture, timeout=30).status_code


def _kill_child(server: RunningServer) -> None:
    _analyze(server.port)
    for pid in server.workers():
        os.kill(pid, signal.SIGKILL)


class EmptyBucket:
    """Answers as an object store does in which nothing is kept."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _NothingHere)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> EmptyBucket:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _NothingHere(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        body = (
            b'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>media</Name>'
            b"<Prefix></Prefix><KeyCount>0</KeyCount><MaxKeys>200</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>"
        )
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Say nothing."""
