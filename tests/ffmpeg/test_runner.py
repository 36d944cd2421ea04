from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from app.domain.priority import Priority
from app.domain.units import MIB
from app.errors import ProcessingTimeout, WorkerFailed
from app.ffmpeg.runner import FFmpegRunner, Outcome, RunLimits
from app.memory.budget import MemoryBudget
from app.memory.governor import EnrolledProcess
from app.workers.sandbox import NICENESS

SHELL = Path("/bin/sh")
PYTHON = Path(sys.executable).resolve()


class Ledger:
    """Remembers who was enrolled and who is."""

    def __init__(self) -> None:
        self.seen: list[EnrolledProcess] = []
        self.present: set[int] = set()
        self.enrolled = asyncio.Event()

    def enroll(self, process: EnrolledProcess) -> None:
        self.seen.append(process)
        self.present.add(process.pid)
        self.enrolled.set()

    def dismiss(self, pid: int) -> None:
        self.present.discard(pid)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def runner(ledger: Ledger) -> FFmpegRunner:
    return FFmpegRunner(ledger, "required")


def limits(**changes: object) -> RunLimits:
    own = {"data_bytes": 200 * MIB, "deadline_seconds": 20.0, "reads": (Path(sys.base_prefix),)}
    return RunLimits(**{**own, **changes})  # type: ignore[arg-type]


async def run_python(runner: FFmpegRunner, code: str, **changes: object) -> Outcome:
    return await runner.run(PYTHON, ["-I", "-S", "-c", code], limits(**changes))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


async def test_output_exit_code_and_the_end_of_its_error_messages_come_back(runner: FFmpegRunner) -> None:
    script = "echo out; i=0; while [ $i -lt 1000 ]; do echo complaint >&2; i=$((i+1)); done; echo last >&2; exit 7"

    outcome = await runner.run(SHELL, ["-c", script], limits())

    assert (outcome.exit_code, outcome.stdout) == (7, b"out\n")
    assert outcome.stderr.endswith("complaint\nlast\n")
    assert len(outcome.stderr) == 4096


async def test_it_is_enrolled_as_ffmpeg_while_it_runs(runner: FFmpegRunner, ledger: Ledger) -> None:
    outcome = await runner.run(SHELL, ["-c", "echo $$"], limits())

    assert [(process.pid, process.role) for process in ledger.seen] == [(int(outcome.stdout), "ffmpeg")]
    assert ledger.present == set()


async def test_it_does_the_work_of_the_class_that_its_bytes_were_reserved_for(
    runner: FFmpegRunner, ledger: Ledger
) -> None:
    budget = MemoryBudget(1000, working_set=lambda: 0)
    async with budget.reserve({"ffmpeg": 1}, owner="job", priority=Priority.BATCH) as holder:
        await runner.run(SHELL, ["-c", "true"], limits(), holder)
    await runner.run(SHELL, ["-c", "true"], limits())

    assert [process.present_priority for process in ledger.seen] == [Priority.BATCH, None]


async def test_the_governor_can_kill_it(runner: FFmpegRunner, ledger: Ledger) -> None:
    task = asyncio.create_task(run_python(runner, "import time; time.sleep(60)"))
    await ledger.enrolled.wait()
    kill = ledger.seen[0].kill

    assert kill is not None
    kill()
    outcome = await task

    assert outcome.exit_code == -signal.SIGKILL


async def test_at_the_deadline_it_goes(runner: FFmpegRunner, ledger: Ledger) -> None:
    with pytest.raises(ProcessingTimeout):
        await run_python(runner, "import time; time.sleep(60)", deadline_seconds=1.0)

    assert not alive(ledger.seen[0].pid)


async def test_it_can_start_nothing(runner: FFmpegRunner) -> None:
    """Not a process beside it, and nothing in its place but itself."""
    code = """
import os
for attempt in (os.fork, lambda: os.execv("/bin/sh", ["sh", "-c", "echo started"])):
    try:
        print(attempt())
    except PermissionError as error:
        print("refused")
"""

    outcome = await run_python(runner, code)

    assert outcome.stdout == b"refused\nrefused\n"


async def test_threads_it_may_start(runner: FFmpegRunner) -> None:
    code = "import _thread; lock = _thread.allocate_lock(); lock.acquire(); "
    code += "_thread.start_new_thread(lock.release, ()); print(lock.acquire(timeout=10))"

    outcome = await run_python(runner, code)

    assert outcome.stdout == b"True\n"


async def test_it_reads_what_it_is_for_and_nothing_else_of_ours(runner: FFmpegRunner, tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    own.write_text("own")
    other.write_text("other")
    code = f"""
for path in ({str(own)!r}, {str(other)!r}, "/proc/{os.getpid()}/environ"):
    try:
        print(open(path).read())
    except PermissionError:
        print("refused")
"""

    outcome = await run_python(runner, code, reads=(Path(sys.base_prefix), own))

    assert outcome.stdout == b"own\nrefused\nrefused\n"


async def test_a_cancelled_run_leaves_nothing(runner: FFmpegRunner, ledger: Ledger) -> None:
    code = "while True: print('y' * 1000)"
    task = asyncio.create_task(run_python(runner, code, output_bytes=1 << 40))
    await ledger.enrolled.wait()

    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert not alive(ledger.seen[0].pid)
    assert ledger.present == set()


async def test_too_much_output_is_its_end(runner: FFmpegRunner, ledger: Ledger) -> None:
    with pytest.raises(WorkerFailed):
        await run_python(runner, "while True: print('y' * 1000)", output_bytes=100_000)

    assert not alive(ledger.seen[0].pid)


async def test_a_program_that_is_not_there_fails(runner: FFmpegRunner, tmp_path: Path) -> None:
    outcome = await runner.run(tmp_path / "ffprobe", [], limits())

    assert outcome.exit_code != 0


async def test_nothing_of_our_environment_is_passed_on(runner: FFmpegRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALLAST_SERVER__API_KEYS", "hush")

    outcome = await run_python(runner, "import json, os; print(json.dumps(dict(os.environ)))")

    assert set(json.loads(outcome.stdout)) <= {"LC_ALL", "LC_CTYPE", "MALLOC_ARENA_MAX", "AV_LOG_FORCE_NOCOLOR"}


async def test_no_descriptor_but_the_pipes_is_passed_on(runner: FFmpegRunner) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)

    code = "import os; print(*sorted(os.listdir('/proc/self/fd')))"

    outcome = await run_python(runner, code)
    os.close(reader)
    os.close(writer)

    assert outcome.stdout.split() == [b"0", b"1", b"2", b"3"]  # the last one is that of the listing


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="seccomp is Linux's")
async def test_there_is_no_network_for_it(runner: FFmpegRunner) -> None:
    outcome = await run_python(runner, "import socket; socket.socket()")

    assert "PermissionError" in outcome.stderr


async def test_its_memory_is_held_down(runner: FFmpegRunner) -> None:
    code = "try: bytearray(100 << 20)\nexcept MemoryError: print('held')"

    held = await run_python(runner, code, data_bytes=80 * MIB)
    free = await run_python(runner, code, data_bytes=200 * MIB)

    assert (held.stdout, free.stdout) == (b"held\n", b"")


async def test_it_can_write_no_file_unless_it_may(runner: FFmpegRunner, tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "out" / "file", tmp_path / "file"
    path.parent.mkdir()
    script = f"echo more than nothing > {path}"
    writes = (path.parent,)

    refused = await runner.run(SHELL, ["-c", script], limits(file_bytes=1000))
    too_large = await runner.run(SHELL, ["-c", script], limits(writes=writes, file_bytes=4))
    allowed = await runner.run(SHELL, ["-c", script], limits(writes=writes, file_bytes=1000))
    astray = await runner.run(SHELL, ["-c", f"echo x > {elsewhere}"], limits(writes=writes, file_bytes=1000))

    assert (refused.exit_code, too_large.exit_code, allowed.exit_code, astray.exit_code) == (2, 1, 0, 2)
    assert path.read_text() == "more than nothing\n"
    assert not elsewhere.exists()


async def test_the_kernel_takes_it_first(runner: FFmpegRunner) -> None:
    outcome = await run_python(runner, "print(open('/proc/self/oom_score_adj').read())")

    assert int(outcome.stdout) >= 900


async def test_it_leaves_the_processor_to_the_api(runner: FFmpegRunner) -> None:
    outcome = await run_python(runner, "import os; print(os.getpriority(os.PRIO_PROCESS, 0))")

    assert int(outcome.stdout) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)


async def test_it_is_told_when_we_die(runner: FFmpegRunner) -> None:
    code = "import ctypes; n = ctypes.c_int(); ctypes.CDLL(None).prctl(2, ctypes.byref(n)); print(n.value)"

    outcome = await run_python(runner, code)

    assert int(outcome.stdout) == signal.SIGKILL  # PR_GET_PDEATHSIG
