"""What a child cannot do, tried from inside a real one."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import subprocess
import sys

import pytest

from app.domain.units import MIB
from app.errors import WorkerFailed
from app.workers import landlock
from app.workers.ending import Ending, ending_by_itself
from app.workers.launcher import Launcher
from app.workers.sandbox import NICENESS, OOM_SCORE_ADJ, OPEN_FILES, outlook
from tests.workers.pools import answered, ask, open_pool
from tests.workers.zygotes import PRELOADS, open_zygote

_IO_URING_SETUP = 425
STRANGE = f"{PRELOADS}.strange"
_X32_SOCKET = 0x40000000 | 41
_ENTER = """
from app.workers.sandbox import Terms, enter, shortfall
terms = Terms("required", 0, None, (), ())
""".strip()


async def test_a_child_can_make_no_socket_of_any_family(launcher: Launcher) -> None:
    async with open_pool(launcher) as pool:
        outcomes = (await answered(ask(pool, "sockets"))).head["outcomes"]

    assert set(outcomes.values()) == {"EACCES"}
    assert len(outcomes) == 6


async def test_a_child_has_no_io_uring_which_makes_sockets_too(launcher: Launcher) -> None:
    async with open_pool(launcher) as pool:
        outcome = (await answered(ask(pool, "system_call", number=_IO_URING_SETUP, arguments=[1, 0]))).head["outcome"]

    assert outcome == "ENOSYS"
    assert _io_uring_here() != "ENOSYS", "this kernel has no io_uring: the filter was not tried"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x32 is a table of system calls of x86-64")
async def test_a_child_has_no_second_table_of_system_calls(launcher: Launcher) -> None:
    async with open_pool(launcher) as pool:
        reply = await answered(ask(pool, "system_call", number=_X32_SOCKET, arguments=[2, 1, 0]))

    assert reply.head["outcome"] == "ENOSYS"


async def test_the_report_tells_what_holds(launcher: Launcher, request: pytest.FixtureRequest) -> None:
    async with open_pool(launcher, data_limit_bytes=300 * MIB) as pool:
        described = (await answered(ask(pool, "describe"))).head
        report = pool.children[0].sandbox

    assert report == {
        "policy": "required",
        "network": False,
        "landlock": landlock.abi(),
        "missing": [],
        "dataLimitBytes": 300 * MIB,
        "oomScoreAdj": OOM_SCORE_ADJ,
        "parentDeathSignal": True,
        "observed": True,
        "startMethod": request.node.callspec.params["launcher"],
    }
    assert described["dataBytes"] == 300 * MIB
    assert described["oomScoreAdj"] == OOM_SCORE_ADJ
    assert described["coreBytes"] == 0
    assert described["openFiles"] == OPEN_FILES


async def test_the_score_of_the_api_is_not_touched() -> None:
    async with open_pool() as pool:
        await answered(ask(pool, "echo"))

        with open("/proc/self/oom_score_adj") as score:  # noqa: ASYNC230, PTH123 - one read of a kernel file
            assert int(score.read()) < OOM_SCORE_ADJ


async def test_a_child_leaves_the_processor_to_the_api(launcher: Launcher) -> None:
    async with open_pool(launcher) as pool:
        described = (await answered(ask(pool, "describe"))).head

    assert described["niceness"] == min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)


def test_the_outlook_tells_how_children_are_started() -> None:
    assert outlook("required")["startMethod"] == "fork"  # every machine that the tests run on can do that


async def test_a_child_that_cannot_enter_its_cage_does_no_work() -> None:
    async with open_zygote(STRANGE) as (zygote, _), open_pool(zygote, log_level="error") as pool:
        with pytest.raises(WorkerFailed, match="sandbox"):
            await answered(ask(pool, "echo"))


async def test_where_holes_are_allowed_it_works_and_tells_them() -> None:
    async with open_zygote(STRANGE) as (zygote, _), open_pool(zygote, sandbox="best-effort") as pool:
        await answered(ask(pool, "echo"))
        report = pool.children[0].sandbox

    assert (report["policy"], report["network"], report["missing"]) == ("best-effort", True, ["system calls"])


def test_a_call_that_outlasts_its_processor_time_is_ended_by_the_kernel() -> None:
    program = "from app.workers.sandbox import allow_processor_time\nallow_processor_time(0)\nwhile True: pass"

    outcome = subprocess.run([sys.executable, "-c", program], timeout=60, check=False)

    assert outcome.returncode == -signal.SIGXCPU
    assert ending_by_itself(outcome.returncode) is Ending.DEADLINE


def test_a_process_whose_parent_is_gone_already_ends() -> None:
    """The parent may die between fork and prctl: the signal would never come."""
    no_parent = 2**22 + 1

    outcome = subprocess.run(
        [sys.executable, "-c", f"{_ENTER}\nenter({no_parent}, terms); print('lives')"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert (outcome.returncode, outcome.stdout) == (0, "")


def test_a_call_may_grow_by_its_allowance_and_no_further_and_the_limit_is_as_before_after_it() -> None:
    program = """
from app.domain.units import MIB
from app.workers.data_cage import DataCage
cage = DataCage()
outcomes = []
for allowed in (32, 128):
    try:
        with cage.allowance(allowed * MIB):
            bytearray(64 * MIB)
        outcomes.append("fits")
    except MemoryError:
        outcomes.append("does not")
bytearray(256 * MIB)
print(*outcomes, sep=", ")
"""

    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)

    assert outcome.stdout.strip() == "does not, fits"


def test_an_unknown_machine_is_reported_as_open() -> None:
    program = (
        "import os, types; os.uname = lambda: types.SimpleNamespace(machine='riscv64')\n"
        f"{_ENTER}\nreport = enter(os.getppid(), terms); print(report['network'], *shortfall(report), sep=', ')"
    )

    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)

    assert outcome.stdout.strip() == "True, system calls"


def _io_uring_here() -> str:
    """Return the error of the same call in this process: bad arguments, or not permitted."""
    libc = ctypes.CDLL(None, use_errno=True)
    return "done" if libc.syscall(_IO_URING_SETUP, 1, None) >= 0 else errno.errorcode[ctypes.get_errno()]
