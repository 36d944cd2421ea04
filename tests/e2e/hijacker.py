"""What a child would try that a picture has taken over. Every attempt answers `refused: ERROR`, or what it got.

It is copied into a copy of the application, and runs there inside the real cage; the tests run it outside of it, too,
to see that the attempts are good ones. So it imports nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Attempt = Callable[[], object]

_NUMBERS = {
    "x86_64": {
        "ptrace": 101, "process_vm_readv": 310, "tgkill": 234, "rt_sigqueueinfo": 129, "tkill": 200, "mount": 165,
        "bpf": 321, "userfaultfd": 323, "keyctl": 250, "perf_event_open": 298, "unshare": 272, "setns": 308,
        "kexec_load": 246, "init_module": 175, "execveat": 322, "clone3": 435, "memfd_create": 319, "shmget": 29,
        "chroot": 161, "open_by_handle_at": 304, "setuid": 105, "ioctl": 16, "vfork": 58,
    },
    "aarch64": {
        "ptrace": 117, "process_vm_readv": 270, "tgkill": 131, "rt_sigqueueinfo": 138, "tkill": 130, "mount": 40,
        "bpf": 280, "userfaultfd": 282, "keyctl": 219, "perf_event_open": 241, "unshare": 97, "setns": 268,
        "kexec_load": 104, "init_module": 105, "execveat": 281, "clone3": 435, "memfd_create": 279, "shmget": 194,
        "chroot": 51, "open_by_handle_at": 265, "setuid": 146, "ioctl": 29,
    },
}  # fmt: skip
_ON_EVERY_MACHINE = {"io_uring_setup": 425, "pidfd_open": 434, "pidfd_getfd": 438, "openat2": 437, "mseal": 462}
_PTRACE_ATTACH, _TIOCSTI, _CLONE_NEWUSER, _F_SETOWN_EX = 16, 0x5412, 0x10000000, 15


@dataclass(frozen=True)
class Hijacker:
    """`api` and `others` are process ids; `secret`, a file of the service; `folders`, where it would write."""

    api: int
    others: tuple[int, ...]
    secret: Path
    folders: tuple[Path, ...]

    def outcomes(self) -> dict[str, str]:
        return {name: _outcome(attempt) for name, attempt in self.attempts().items()}

    def attempts(self) -> dict[str, Attempt]:
        groups = (self.looks, self.reads, self.writes, self.signals, self.network, self.processes, self.kernel)
        return {name: attempt for group in groups for name, attempt in group()}

    def looks(self) -> Iterator[tuple[str, Attempt]]:
        """Into the memory and the environment of other processes."""
        for pid in (self.api, *self.others):
            for name in ("environ", "mem", "maps", "fd", "fd/0", "cwd/.", "root/etc/passwd", "cmdline"):
                yield f"look /proc/{pid}/{name}", lambda path=Path(f"/proc/{pid}/{name}"): _read(path)  # type: ignore[misc]
            yield f"look ptrace {pid}", lambda pid=pid: _call("ptrace", _PTRACE_ATTACH, pid, 0, 0)  # type: ignore[misc]
            yield f"look process_vm_readv {pid}", lambda pid=pid: _call("process_vm_readv", pid, 0, 0, 0, 0, 0)  # type: ignore[misc]

    def reads(self) -> Iterator[tuple[str, Attempt]]:
        """What belongs to the service, or to the machine."""
        for path in (self.secret, *self.folders, Path("/etc/passwd"), Path("/var")):
            yield f"read {path}", lambda path=path: _read(path)  # type: ignore[misc]
        yield "read by a detour", lambda: _read(Path(f"/proc/self/root{self.secret}"))
        yield "read by openat2", lambda: _call("openat2", -100, os.fsencode(self.secret), bytes(24), 24)

    def writes(self) -> Iterator[tuple[str, Attempt]]:
        """Files of its own, or over those of others."""
        for folder in (*self.folders, Path("/tmp"), Path("/dev/shm")):
            new = folder / "hijacked"
            yield f"write {new}", lambda new=new: (new.write_text("here"), new.unlink())  # type: ignore[misc]
            yield f"write folder {new}", lambda new=new: (new.mkdir(), new.rmdir())  # type: ignore[misc]
            yield f"write link {new}", lambda new=new: (new.symlink_to("/"), new.unlink())  # type: ignore[misc]
        yield "write append", lambda: self.secret.open("a").close()
        yield "write mode", lambda: self.secret.chmod(0o600)
        yield "write time", lambda: os.utime(self.secret)
        yield "write name", lambda: self.secret.rename(self.secret)
        yield "write link to it", lambda: os.link(self.secret, self.secret.with_suffix(".link"))

    def signals(self) -> Iterator[tuple[str, Attempt]]:
        """Whatever would stop, slow or starve the service."""
        quiet, nobody = signal.SIGURG, os.pipe()[0]
        yield "signal kill", lambda: os.kill(self.api, quiet)
        yield "signal tgkill", lambda: _call("tgkill", self.api, self.api, quiet)
        yield "signal tkill", lambda: _call("tkill", self.api, quiet)
        yield "signal queue", lambda: _call("rt_sigqueueinfo", self.api, quiet, bytes(128))
        yield "signal pidfd", lambda: os.close(os.pidfd_open(self.api))
        yield "signal by fcntl", lambda: fcntl.fcntl(nobody, fcntl.F_SETOWN, self.api)
        yield "signal by fcntl, which one", lambda: fcntl.fcntl(nobody, fcntl.F_SETSIG, quiet)
        yield "signal by fcntl, extended", lambda: fcntl.fcntl(nobody, _F_SETOWN_EX, self.api.to_bytes(8, "big"))
        yield "signal group", lambda: os.kill(0, quiet)
        yield "signal niceness", lambda: os.setpriority(os.PRIO_PROCESS, self.api, 5)
        yield "signal processors", lambda: os.sched_setaffinity(self.api, os.sched_getaffinity(0))
        yield "signal limit", lambda: resource.prlimit(self.api, resource.RLIMIT_NOFILE, (4096, 4096))

    def network(self) -> Iterator[tuple[str, Attempt]]:
        """A way out."""
        for family in ("AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_ALG"):
            kind = socket.SOCK_SEQPACKET if family == "AF_ALG" else socket.SOCK_DGRAM
            yield f"network {family}", lambda f=family, k=kind: _make(getattr(socket, f), k)  # type: ignore[misc]
        yield "network pair", lambda: socket.socketpair()[0].fileno()

    def channel(self, descriptor: int) -> Iterator[tuple[str, Attempt]]:
        """Another use of the one socket that it has."""
        own = socket.socket(fileno=os.dup(descriptor))
        yield "channel connect", lambda: own.connect("\0nobody")
        yield "channel bind", lambda: own.bind("\0hijacked")
        yield "channel listen", lambda: own.listen()
        yield "channel accept", lambda: own.accept()

    def processes(self) -> Iterator[tuple[str, Attempt]]:
        """Another program, or another process."""
        yield "process fork", _fork
        yield "process spawn", lambda: os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
        yield "process execve", lambda: _execute(lambda: os.execv("/bin/true", ["true"]))
        yield "process execveat", lambda: _execute(lambda: _call("execveat", -100, b"/bin/true", 0, 0, 0))

    def kernel(self) -> Iterator[tuple[str, Attempt]]:
        """What only adds to what can be attacked. The arguments are such that nothing would come of it."""
        for name in ("mount", "bpf", "userfaultfd", "keyctl", "perf_event_open", "setns", "kexec_load", "init_module"):
            yield f"kernel {name}", lambda name=name: _call(name, -1, -1, -1, -1, -1)  # type: ignore[misc]
        for name in ("io_uring_setup", "pidfd_getfd", "memfd_create", "shmget", "chroot", "open_by_handle_at", "mseal"):
            yield f"kernel {name}", lambda name=name: _call(name, 0, 0, 0, 0, 0)  # type: ignore[misc]
        yield "kernel unshare", lambda: _call("unshare", _CLONE_NEWUSER)
        yield "kernel clone3", lambda: _call("clone3", 0, 0)
        yield "kernel setuid", lambda: _call("setuid", 0)
        yield "kernel terminal", lambda: _call("ioctl", 2, _TIOCSTI, b"x")


def _outcome(attempt: Attempt) -> str:
    try:
        return f"got {attempt()!r:.60}"
    except OSError as error:
        return f"refused: {errno.errorcode.get(error.errno or 0, '?')}"


def _read(path: Path) -> object:
    if path.is_dir():
        return [entry.name for entry in path.iterdir()]
    with path.open("rb", buffering=0) as file:
        with contextlib.suppress(OSError):  # nothing is at the beginning of a process: that it opens is enough
            return file.read(40)
        return "opened"


def _call(name: str, *arguments: object) -> int:
    number = {**_NUMBERS[os.uname().machine], **_ON_EVERY_MACHINE}[name]
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result: int = ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *words)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _make(family: int, kind: int) -> str:
    socket.socket(family, kind).close()
    return "a socket"


def _fork() -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def _execute(start: Attempt) -> object:
    """Start another program in a process of its own, if there may be one."""
    try:
        pid = os.fork()
    except OSError:
        return start()
    if pid == 0:
        try:
            start()
        finally:
            os._exit(1)
    if os.waitpid(pid, 0)[1] != 0:
        raise PermissionError(errno.EPERM, "not started")
    return "started"
