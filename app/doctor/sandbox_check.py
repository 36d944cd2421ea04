"""The sandbox of children as `ballast doctor` sees it: a child enters it, says what holds, and tries to get out."""

from __future__ import annotations

import subprocess
from typing import Any

from app.doctor.machine_checks import SETUP, report_of
from app.domain.check import Check, failed, passed, warned
from app.domain.sandbox import SandboxPolicy

_ENTER_SANDBOX = """
import json, os, socket, sys
from app.workers.sandbox import Terms, enter, niceness_of_children, shortfall

def refused(attempt):
    try:
        attempt()
    except (OSError, MemoryError):
        return True
    return False

def read_a_file():
    with open("/etc/passwd", "rb"):
        pass

def write_a_file():
    path = f"/tmp/ballast-doctor-{os.getpid()}"
    with open(path, "xb"):
        os.unlink(path)

def start_a_process():
    if os.fork() == 0:
        os._exit(0)
    os.wait()

report = enter(os.getppid(), Terms(sys.argv[1], niceness_of_children(), 1 << 30, (), ()))
attempts = {
    "open a socket": socket.socket,
    "start a process": start_a_process,
    "signal the service": lambda: os.kill(os.getppid(), 0),
    "write a file": write_a_file,
    "read a file of the machine": read_a_file,
    "take more memory than it was given": lambda: bytearray(2 << 30),
}
escapes = [name for name, attempt in attempts.items() if not refused(attempt)]
print(json.dumps({**report, "shortfall": shortfall(report), "escapes": escapes}))
"""

_FIXES = {
    "system calls": "allow seccomp filters; until then give the service a network that has no way to the outside",
    "files": "use a kernel with Landlock (Linux 5.13, `landlock` in /sys/kernel/security/lsm), and a container runtime "
    "that lets its calls through; until then a child that is taken over can read what the user of the service can",
}
_OTHER_FIX = "run on Linux with /proc mounted"


def check_sandbox(policy: SandboxPolicy) -> Check:
    """Let a child enter the sandbox, and try from inside what it is there to prevent."""
    try:
        report = report_of(_ENTER_SANDBOX, policy)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return failed("sandbox", f"a child could not enter it: {error}", f"no child can start like this; {SETUP}")
    return judge_sandbox(report)


def judge_sandbox(report: dict[str, Any]) -> Check:
    """Judge what a child reported of its sandbox (`workers.sandbox.enter`), and what it could do in there all the same.

    `shortfall` is for want of what it would not work, `escapes` what was not refused.
    """
    missing, escapes = report["missing"], report["escapes"]
    if not missing and not escapes:
        found = "a child has no network, opens libraries and models only, dies with the service, and is killed first"
        return passed("sandbox", f"{found}; what it tried was refused (Landlock ABI {report['landlock']})")
    fix = "; ".join({_FIXES.get(part, _OTHER_FIX): None for part in missing}) or _OTHER_FIX
    found = f"does not hold: {', '.join(missing)}" if missing else "holds by what it says"
    if escapes:
        found += f"; a child could {', '.join(escapes)}"
    if report["shortfall"]:
        return failed("sandbox", f"no child works, because it {found}", f"{fix}; or set BALLAST_SANDBOX=best-effort")
    return (warned if missing else failed)("sandbox", found, fix)
