"""Uploads side by side: Ballast (form and raw body) against a bare loop, FastAPI's UploadFile, and express with multer.

    python -m benchmarks.upload [--megabytes 1024] [--rounds 6] [--folder DIR]

Each round sends one file to every server in a shuffled order; ratios are taken within a round, because the speed of a
disk varies more between rounds than between servers. CPU is of the whole server process, growth is the highest resident
memory during an upload above that before it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1024 * 1024
BLOCK = random.Random(7).randbytes(MIB)
HEAD = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"  # so that it is taken for a video
BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW1"  # as long as a browser's
PEERS = Path(__file__).parent / "peers"


@dataclass
class Contender:
    """One server and the form in which it is sent the file; `results` are its rounds."""

    name: str
    port: int
    path: str
    is_form: bool
    pid: int
    results: list[Result] = field(default_factory=list)


@dataclass(frozen=True)
class Result:
    seconds: float
    cpu_seconds: float
    growth_bytes: int


def main() -> None:
    arguments = _arguments()
    size = arguments.megabytes * MIB
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ballast-bench-", dir=arguments.folder)))
        contenders = list(_start_all(stack, folder))
        for contender in contenders:  # the first request pays for imports and for new pages
            _upload(contender, 8 * MIB)
        order = random.Random(arguments.seed)
        for number in range(arguments.rounds):
            for contender in order.sample(contenders, len(contenders)):
                contender.results.append(_upload(contender, size))
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
        _print_table(contenders, size)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="where the files go; not on tmpfs")
    return parser.parse_args()


def _start_all(stack: ExitStack, folder: Path) -> Iterator[Contender]:
    raw = stack.enter_context(_server([sys.executable, str(PEERS / "raw_socket.py")], folder / "raw", {}))
    yield Contender("raw socket to file", raw[1], "/", False, raw[0])
    bare = {"BALLAST_STORAGE__FSYNC": "false", "BALLAST_UPLOAD__DIGEST": "none"}
    for label, environment in (("no digest, no fsync", bare), ("as shipped", {})):
        pid, port = stack.enter_context(_ballast(folder / label.replace(" ", "-"), environment))
        yield Contender(f"ballast raw body, {label}", port, "/v1/media?inline=never", False, pid)
        yield Contender(f"ballast form, {label}", port, "/v1/media?inline=never", True, pid)
    peer = stack.enter_context(_server([sys.executable, str(PEERS / "upload_file.py")], folder / "peer", {}))
    yield Contender("FastAPI UploadFile + copy", peer[1], "/upload", True, peer[0])
    if (modules := _node_modules()) is not None:
        command = ["node", str(PEERS / "multer.cjs"), str(modules)]
        pid, port = stack.enter_context(_server(command, folder / "multer", {}))
        yield Contender("express + multer", port, "/upload", True, pid)


def _node_modules() -> Path | None:
    """Install the peer of the other world into a cache folder; None where there is no node, or no network."""
    if shutil.which("npm") is None:
        print("there is no npm: express + multer is left out", file=sys.stderr)
        return None
    folder = Path(__file__).resolve().parents[1] / ".cache" / "multer"
    if not (folder / "node_modules" / "multer").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        install = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), "express@5", "multer@2"]
        if subprocess.run(install, check=False, capture_output=True).returncode != 0:
            print("npm cannot install express and multer: they are left out", file=sys.stderr)
            return None
    return folder


@contextmanager
def _ballast(root: Path, environment: dict[str, str]) -> Iterator[tuple[int, int]]:
    port = _free_port()
    settings = {
        "BALLAST_STORAGE__ROOT": str(root),
        "BALLAST_SERVER__PORT": str(port),
        "BALLAST_LOG__LEVEL": "warning",
        **environment,
    }
    with _process([sys.executable, "-m", "app", "serve"], port, settings) as pid:
        yield pid, port


@contextmanager
def _server(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[tuple[int, int]]:
    port = _free_port()
    folder.mkdir()
    settings = {"TMPDIR": str(folder), **environment}  # the spool of UploadFile belongs on the same disk
    with _process([*command, str(port), str(folder)], port, settings) as pid:
        yield pid, port


@contextmanager
def _process(command: list[str], port: int, environment: dict[str, str]) -> Iterator[int]:
    process = subprocess.Popen(command, env={**os.environ, **environment})
    try:
        _wait_until_open(port, process)
        yield process.pid
    finally:
        process.terminate()
        process.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise SystemExit(f"the server of port {port} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"nothing listens on port {port}")


def _upload(contender: Contender, size: int) -> Result:
    """Send one file, measure, and delete it again outside of the time that is measured."""
    resident_before = _reset_peak(contender.pid)
    cpu_before = _cpu_seconds(contender.pid)
    started = time.perf_counter()
    status, answer = _post(contender, size)
    seconds = time.perf_counter() - started
    if status != 201:
        raise SystemExit(f"{contender.name} answered {status}: {answer[:300]!r}")
    result = Result(seconds, _cpu_seconds(contender.pid) - cpu_before, _peak(contender.pid) - resident_before)
    if contender.path.startswith("/v1/media"):
        assert json.loads(answer)["sizeBytes"] == size
        _delete(contender.port, json.loads(answer)["url"].removesuffix("/content"))
    return result


def _post(contender: Contender, size: int) -> tuple[int, bytes]:
    before = after = b""
    content_type = "video/mp4"
    if contender.is_form:
        content_type = f"multipart/form-data; boundary={BOUNDARY}"
        disposition = 'Content-Disposition: form-data; name="file"; filename="a.mp4"\r\nContent-Type: video/mp4'
        before = f"--{BOUNDARY}\r\n{disposition}\r\n\r\n".encode()
        after = f"\r\n--{BOUNDARY}--\r\n".encode()
    length = len(before) + size + len(after)
    head = (
        f"POST {contender.path} HTTP/1.1\r\nHost: 127.0.0.1:{contender.port}\r\nConnection: close\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", contender.port)) as connection:
        connection.sendall(head.encode() + before + HEAD + BLOCK[len(HEAD) :])
        for _ in range(size // MIB - 1):
            connection.sendall(BLOCK)
        connection.sendall(after)
        return _answer(connection)


def _delete(port: int, path: str) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        request = f"DELETE {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        assert _answer(connection)[0] == 204


def _answer(connection: socket.socket) -> tuple[int, bytes]:
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body


def _reset_peak(pid: int) -> int:
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # proc(5): VmHWM starts again from VmRSS
    return _peak(pid)


def _peak(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    sizes = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")]
    if not sizes:
        raise SystemExit(f"the server with the process id {pid} has ended")
    return sizes[0]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _print_table(contenders: list[Contender], size: int) -> None:
    yardstick = contenders[0].results
    gigabytes = size / 1e9
    print(f"{size / MIB:.0f} MiB, {len(yardstick)} rounds, medians [lowest..highest]")
    print(f"{'':42} {'MB/s':>6} {'of raw':>20} {'CPU s/GB':>9} {'of raw':>7} {'growth MB':>10}")
    raw_cpu = statistics.median(result.cpu_seconds for result in yardstick)
    for contender in contenders:
        speed = statistics.median(size / 1e6 / result.seconds for result in contender.results)
        ratios = [raw.seconds / own.seconds for raw, own in zip(yardstick, contender.results, strict=True)]
        span = f"{statistics.median(ratios):.2f} [{min(ratios):.2f}..{max(ratios):.2f}]"
        cpu = statistics.median(result.cpu_seconds for result in contender.results)
        growth = max(result.growth_bytes for result in contender.results) / 1e6
        print(f"{contender.name:42} {speed:6.0f} {span:>20} {cpu / gigabytes:9.2f} {cpu / raw_cpu:7.2f} {growth:10.1f}")


if __name__ == "__main__":
    main()
