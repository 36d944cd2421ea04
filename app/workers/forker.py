"""The zygote itself: a process that has the libraries loaded and forks children. `zygote.py` has the API's side.

It is forked only while it has one thread: of several, only the one that forks lives on in the child, and what the
others had locked stays locked. So it opens no graph, starts nothing, and does nothing but fork, reap and report.

Messages are JSON in packets (SOCK_SEQPACKET), with at most one descriptor each (SCM_RIGHTS, unix(7)):

    from the API   {"preload": [module], "logLevel", "niceness"} once, then {"fork": number} with the child's channel
    to the API     {"threads", "missing": [module]} once, then {"forked": number, "pid"} with the child's pidfd,
                   {"refused": number, "threads"}, {"failed": number, "errno"}, {"ended": pid, "exitCode"}
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import logging
import os
import random
import select
import signal
import socket
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from app import log
from app.memory.allocator import find_malloc_trim
from app.workers import cage, child, sandbox
from app.workers.forking import MESSAGE_BYTES, thread_count
from app.workers.stderr import keep_own_stderr

logger = logging.getLogger("ballast.zygote")


def run(descriptor: int, parent_pid: int) -> NoReturn:
    """Fork children as the API asks over the socket `descriptor`, until its other end is closed; then exit."""
    control = socket.socket(fileno=descriptor)
    if opening := control.recv(MESSAGE_BYTES):
        missing = _prepare(json.loads(opening), parent_pid)
        threads = thread_count()
        _send(control, {"threads": threads, "missing": missing})
        if threads == 1:
            _Forker(control).serve()
    os._exit(0)


def _prepare(opening: dict[str, Any], parent_pid: int) -> list[str]:
    """Enter the cage, import what children need, and freeze it. Return the modules that cannot be imported."""
    cage.die_with(parent_pid)
    log.configure(opening["logLevel"], keep_own_stderr())
    sandbox.enter_as_zygote(opening["niceness"])
    missing = [name for name in opening["preload"] if not _is_imported(name)]
    gc.collect()
    gc.freeze()  # a collection in a child would write to every object, and so copy what is shared
    gc.disable()
    if (trim := find_malloc_trim()) is not None:
        trim()
    return missing


def _is_imported(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return False
    except Exception:
        logger.exception("a module cannot be loaded into the zygote", extra={"module_name": name})
        return False
    return True


class _Forker:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, int] = {}
        self._poll = select.poll()  # has no descriptor of its own that a child would have to close
        self._poll.register(control, select.POLLIN)

    def serve(self) -> None:
        """Answer until the API has closed its end."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._children:
                    self._reap(descriptor)
                elif not self._take_request():
                    return

    def _take_request(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 1)
        except OSError:  # the API has gone, and left something unread
            return False
        if not data:
            return False
        number, channel = json.loads(data)["fork"], descriptors[0]
        try:
            if (threads := thread_count()) == 1:
                self._fork(number, channel)
            else:
                _send(self._control, {"refused": number, "threads": threads})
        except OSError as error:
            _send(self._control, {"failed": number, "errno": error.errno})
        finally:
            os.close(channel)
        return True

    def _fork(self, number: int, channel: int) -> None:
        zygote_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_child(channel, zygote_pid)
        try:
            pidfd = os.pidfd_open(pid)  # nobody but we can reap it: it is this process and no other
        except OSError:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        self._children[pidfd] = pid
        self._poll.register(pidfd, select.POLLIN)
        _send(self._control, {"forked": number, "pid": pid}, [pidfd])

    def _become_child(self, channel: int, zygote_pid: int) -> NoReturn:
        try:
            cage.die_with(zygote_pid)  # first of all: the API may start another in its place when the zygote dies
            self._control.detach()
            _close_all_but({0, 1, 2, channel, sys.stderr.fileno()})
            os.setpgid(0, 0)
            _reset_signals()
            _reseed()
            gc.enable()
            child.run(channel, zygote_pid)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)

    def _reap(self, pidfd: int) -> None:
        pid = self._children.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        _send(self._control, {"ended": pid, "exitCode": os.waitstatus_to_exitcode(status)})


def _send(control: socket.socket, message: dict[str, Any], descriptors: Iterable[int] = ()) -> None:
    try:
        socket.send_fds(control, [json.dumps(message).encode()], list(descriptors))
    except OSError:  # the API is gone, or has no use for us any more
        os._exit(0)


def _close_all_but(kept: set[int]) -> None:
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - in every fork: Path costs more than the listing
        if int(name) not in kept:
            with contextlib.suppress(OSError):  # that of the listing itself
                os.close(int(name))


def _reset_signals() -> None:
    """Take back what a preloaded library may have set: a fresh interpreter has SIGINT's handler only."""
    for number in signal.valid_signals():
        if callable(handler := signal.getsignal(number)) and handler is not signal.default_int_handler:
            signal.signal(number, signal.SIG_DFL)


def _reseed() -> None:
    """Give the child random numbers of its own; `random` does that by itself, numpy's old global state does not."""
    random.seed()
    if (numpy_random := sys.modules.get("numpy.random")) is not None:
        numpy_random.seed()
