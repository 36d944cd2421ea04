"""FFmpeg's programs as children, run to their end or by `FFmpegStarter`.

They run in the same cage as our own children (`workers/caged.py`): no network, no further process, no file but those
they are for, limits of data, CPU time and file size, first to be killed by the kernel, dead when the service dies
(docs/decisions/0018-probing.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import anyio

from app.domain.sandbox import SandboxPolicy
from app.domain.units import KIB, MIB
from app.errors import ProcessingTimeout, WorkerFailed, of_system
from app.memory.cpus import available_cpus
from app.memory.governor import EnrolledProcess
from app.memory.reservation import Reservation
from app.workers import caged, libraries
from app.workers.sandbox import NICENESS, OOM_SCORE_ADJ, OPEN_FILES

ROLE = "ffmpeg"

MAX_PIXELS = 8192 * 4320
"""Per frame: 8K at its full width. Probing a file of 420 KB that declares more took 384 MB."""

MAX_STREAMS = 32

_STDERR_BYTES = 4 * KIB
_READ_BYTES = 64 * KIB

_END_SECONDS = 5.0
"""How long a program that was killed is waited for: one that reads from a disk that hangs ends when that answers."""

# Nothing of the service's own environment: no key, no address, no proxy.
_ENVIRONMENT = {"LC_ALL": "C", "MALLOC_ARENA_MAX": "1", "AV_LOG_FORCE_NOCOLOR": "1"}


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What one run may take.

    `file_bytes` is the size of the largest file it may write. It can open libraries, what is in `reads`, and what is in
    `writes` (for writing too): files or folders.
    """

    data_bytes: int
    deadline_seconds: float
    output_bytes: int = MIB
    file_bytes: int = 0
    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended (negative: by that signal), all that it wrote, and the end of its error messages."""

    exit_code: int
    stdout: bytes
    stderr: str


@dataclass(frozen=True, slots=True)
class Outputs:
    """Descriptors that a program writes to: its standard output (None: a pipe that is read here), and further ones,
    which have the same numbers there."""

    stdout: int | None = None
    others: tuple[int, ...] = ()


class ProcessLedger(Protocol):
    """What accounts for processes and shows them: the governor."""

    def enroll(self, process: EnrolledProcess) -> None: ...
    def dismiss(self, pid: int) -> None: ...


def guarded_input(path: Path, demuxer: str) -> list[str]:
    """Return the arguments with which ffmpeg and ffprobe open an untrusted file.

    The demuxer is the one for the type that our own sniff found, never FFmpeg's guess: a playlist (ffconcat, m3u8)
    that is named like a film would be followed. `file:` keeps a name from being read as a protocol or a pattern.
    """
    return [
        *("-protocol_whitelist", "file,pipe"),
        *("-format_whitelist", demuxer),
        *("-max_streams", str(MAX_STREAMS)),
        *("-max_pixels", str(MAX_PIXELS)),
        *("-probesize", "5000000", "-analyzeduration", "5000000"),
        *("-f", demuxer, "-i", f"file:{path.absolute()}"),
    ]


class FFmpegRunner:
    """Runs programs, each with an argument list and without a shell.

    They die with the thread that starts them, the event loop's: it must live as long as the service.
    """

    def __init__(self, ledger: ProcessLedger, sandbox: SandboxPolicy) -> None:
        self._ledger = ledger
        self._sandbox = sandbox

    async def run(
        self, program: Path, arguments: Sequence[str], limits: RunLimits, holder: Reservation | None = None
    ) -> Outcome:
        """Run a program to its end. Whatever happens, it and all that it started are gone afterwards.

        Its memory counts as resident in `holder`.

        Raises:
            ProcessingTimeout: it exceeded its deadline.
            Overloaded: the system has no descriptor or process left for it.
            WorkerFailed: it could not be started, or wrote more than `limits` allow.
        """
        async with self.started(program, arguments, limits, holder) as process:
            try:
                async with asyncio.timeout(limits.deadline_seconds):
                    return await _outcome(process, limits.output_bytes)
            except TimeoutError as error:
                raise ProcessingTimeout("Processing the media took too long.") from error

    @asynccontextmanager
    async def started(
        self,
        program: Path,
        arguments: Sequence[str],
        limits: RunLimits,
        holder: Reservation | None = None,
        outputs: Outputs = Outputs(),
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Start a program for the block: at its end, it and all that it started are gone, however it ends.

        The deadline is up to the caller; `limits` bound its CPU time by it.

        Raises:
            Overloaded: the system has no descriptor or process left for it.
            WorkerFailed: it could not be started.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *self._starter(limits, program),
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if outputs.stdout is None else outputs.stdout,
                stderr=asyncio.subprocess.PIPE,
                env=_ENVIRONMENT,
                start_new_session=True,
                pass_fds=outputs.others,
            )
        except OSError as error:
            raise (of_system(error) or WorkerFailed(f"{program.name} could not be started.")) from error
        work = None if holder is None else holder.priority
        self._ledger.enroll(EnrolledProcess(process.pid, ROLE, holder, lambda: _kill(process), lambda: work))
        try:
            yield process
        finally:
            await _end(process)
            self._ledger.dismiss(process.pid)

    def _starter(self, limits: RunLimits, program: Path) -> list[str]:
        """Return the command that enters the cage and becomes the program (`caged.Order`)."""
        most = {
            "core": 0,
            "cpu": int(limits.deadline_seconds * available_cpus()) + 1,
            "fsize": limits.file_bytes,
            "nofile": OPEN_FILES,
            "data": limits.data_bytes,
        }
        reads = [*libraries.SYSTEM, str(program.parent.parent / "lib"), *map(str, limits.reads)]
        return [
            *(sys.executable, "-I", "-S", "-B", str(caged.__file__)),
            *(f"parent={os.getpid()}", f"niceness={NICENESS}", f"score={OOM_SCORE_ADJ}"),
            f"required={int(self._sandbox == 'required' and sys.platform.startswith('linux'))}",
            *(f"limit={name}:{value}" for name, value in most.items()),
            *(f"read={path}" for path in reads),
            *(f"execute={path}" for path in libraries.INTERPRETERS),
            *(f"write={path}" for path in limits.writes),
            *("--", str(program)),
        ]


async def _outcome(process: asyncio.subprocess.Process, output_bytes: int) -> Outcome:
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.TaskGroup() as tasks:
        stdout = tasks.create_task(_beginning_of(process, process.stdout, output_bytes + 1))
        stderr = tasks.create_task(_end_of(process.stderr, _STDERR_BYTES))
    if len(stdout.result()) > output_bytes:
        raise WorkerFailed("The program wrote more than it is allowed to.")
    return Outcome(await process.wait(), stdout.result(), stderr.result().decode(errors="replace"))


async def _beginning_of(process: asyncio.subprocess.Process, stream: asyncio.StreamReader, most_bytes: int) -> bytes:
    """Return the first `most_bytes`; a process that goes on writing is killed."""
    data = bytearray()
    while chunk := await stream.read(_READ_BYTES):
        data += chunk[: most_bytes - len(data)]
        if len(data) == most_bytes:
            _kill(process)
    return bytes(data)


async def _end_of(stream: asyncio.StreamReader, most_bytes: int) -> bytes:
    data = b""
    while chunk := await stream.read(_READ_BYTES):
        data = (data + chunk)[-most_bytes:]
    return data


def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill the program and what it started: they are one session."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


async def _end(process: asyncio.subprocess.Process) -> None:
    _kill(process)
    with anyio.move_on_after(_END_SECONDS, shield=True):
        await process.communicate()  # drains the pipes, so that they close
