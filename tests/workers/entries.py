"""Handlers that the tests run in real children."""

from __future__ import annotations

import ctypes
import errno
import importlib
import os
import random
import resource
import signal
import socket
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

from app.errors import InvalidMedia, ModelMissing
from app.memory.allocator import keep_between_calls
from app.workers.channel import Head


class Probe:
    """Does what the head of a call says."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._notes: list[object] = []

    def handle(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        answer: tuple[Head, bytes] = getattr(self, head["do"])(head, payload)
        return answer

    def echo(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        return {"options": self._options, "value": head.get("value")}, payload

    def note(self, head: Head, _payload: bytes) -> tuple[Head, bytes]:
        """Keep a value; answer all that were kept so far."""
        self._notes.append(head["value"])
        return {"notes": list(self._notes)}, b""

    def hold(self, head: Head, _payload: bytes) -> tuple[Head, bytes]:
        """Say that this call has begun with the file `NAME.begun`, and work until there is `NAME.release`."""
        begun, release = Path(head["name"] + ".begun"), Path(head["name"] + ".release")
        begun.write_text(str(os.getpid()))
        while not release.exists():
            time.sleep(0.002)
        return {}, b""

    def write_into(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        """Write the payload into the first file that was passed; answer what the others hold, and what is open."""
        first, *others = head.get("descriptors", [])
        os.pwrite(first, payload, 0)
        held = [os.pread(other, 100, 0).decode() for other in others]
        return {"others": held, "open": len(os.listdir("/proc/self/fd"))}, b""  # noqa: PTH208

    def crash_writing(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        """Die in the middle of the first attempt."""
        size = os.fstat(head["descriptors"][0]).st_size
        os.pwrite(head["descriptors"][0], b"half", 0)
        if size == 0:
            os.kill(os.getpid(), signal.SIGSEGV)
        return self.write_into(head, payload)

    def sleep(self, head: Head, _payload: bytes) -> tuple[Head, bytes]:
        time.sleep(head["seconds"])
        return {}, b""

    def crash(self, head: Head, _payload: bytes) -> tuple[Head, bytes]:
        os.kill(os.getpid(), getattr(signal, head["signal"]))
        time.sleep(30)
        return {}, b""

    def crash_once(self, head: Head, _payload: bytes) -> tuple[Head, bytes]:
        """Crash unless the file `mark` is there; leave it."""
        mark = Path(head["mark"])
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), getattr(signal, head.get("signal", "SIGKILL")))
            time.sleep(30)  # another thread may take the signal, a little later
        return {}, b""

    def leave(self, head: Head, _payload: bytes) -> tuple[Head, bytes]:
        os._exit(head["code"])

    def refuse(self, _head: Head, _payload: bytes) -> tuple[Head, bytes]:
        raise InvalidMedia("The picture is truncated.", where=3)

    def blunder(self, _head: Head, _payload: bytes) -> tuple[Head, bytes]:
        raise RuntimeError("not foreseen, at /home/somebody")

    def mumble(self, _head: Head, _payload: bytes) -> tuple[Head, bytes]:
        """Answer what cannot be written as JSON."""
        return {"value": object()}, b""

    def allocate(self, head: Head, _payload: bytes) -> tuple[Head, bytes]:
        block = bytearray(head["nbytes"])
        block[::4096] = b"x" * len(block[::4096])
        return {"nbytes": len(block)}, b""

    def keep(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        """Allocate for good."""
        self._notes.append(b"x" * head["nbytes"])
        return {}, payload

    def leave_in_heap(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        """Allocate, and free it again so that the heap keeps it."""
        keep_between_calls(2 * head["nbytes"])
        blocks = [b"x" * 65536 for _ in range(head["nbytes"] // 65536)]
        del blocks
        return {}, payload

    def say(self, _head: Head, payload: bytes) -> tuple[Head, bytes]:
        """Write `payload` into the channel as it is, as a hijacked child could, and then keep quiet."""
        channel = socket.socket(fileno=os.dup(_channel()))
        channel.sendall(payload)
        time.sleep(30)
        return {}, b""

    def sockets(self, _head: Head, _payload: bytes) -> tuple[Head, bytes]:
        """Try to make a socket of each family; answer what became of it, as the name of the error or `made`."""
        wanted = {
            "AF_UNIX": (socket.AF_UNIX, socket.SOCK_STREAM),
            "AF_INET": (socket.AF_INET, socket.SOCK_STREAM),
            "AF_INET datagram": (socket.AF_INET, socket.SOCK_DGRAM),
            "AF_INET6": (socket.AF_INET6, socket.SOCK_STREAM),
            "AF_NETLINK": (socket.AF_NETLINK, socket.SOCK_RAW),
            "AF_PACKET": (socket.AF_PACKET, socket.SOCK_RAW),
        }
        return {"outcomes": {name: _attempt(*kind) for name, kind in wanted.items()}}, b""

    def system_call(self, head: Head, _payload: bytes) -> tuple[Head, bytes]:
        """Make one system call without arguments; answer the name of its error, or `done`."""
        libc = ctypes.CDLL(None, use_errno=True)
        returned = libc.syscall(*(ctypes.c_long(number) for number in [head["number"], *head.get("arguments", ())]))
        return {"outcome": "done" if returned >= 0 else errno.errorcode[ctypes.get_errno()]}, b""

    def draw(self, _head: Head, _payload: bytes) -> tuple[Head, bytes]:
        """Answer a random number of each kind."""
        numpy_random = importlib.import_module("numpy.random")
        return {"python": random.random(), "numpy": int(numpy_random.randint(1 << 30))}, b""

    def preloaded_by(self, head: Head, _payload: bytes) -> tuple[Head, bytes]:
        """Answer which process loaded a module of `preloads`."""
        return {"loadedBy": sys.modules[head["module"]].LOADED_BY}, b""

    def describe(self, _head: Head, _payload: bytes) -> tuple[Head, bytes]:
        return {
            "descriptors": _descriptors(),
            "channel": _channel(),
            "environment": sorted(os.environ),
            "oomScoreAdj": int(Path("/proc/self/oom_score_adj").read_text()),
            "parent": os.getppid(),
            "processGroup": os.getpgrp(),
            "threads": sorted(thread.name for thread in threading.enumerate()),
            "modules": sorted(sys.modules),
            "handled": [number for number in signal.valid_signals() if callable(signal.getsignal(number))],
            "niceness": os.getpriority(os.PRIO_PROCESS, 0),
            "coreBytes": resource.getrlimit(resource.RLIMIT_CORE)[0],
            "openFiles": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            "dataBytes": resource.getrlimit(resource.RLIMIT_DATA)[0],
        }, b""


def _channel() -> int:
    """Return the only socket there is."""
    (number,) = [int(name) for name, target in _descriptors().items() if target.startswith("socket:")]
    return number


def _attempt(family: int, kind: int) -> str:
    try:
        socket.socket(family, kind).close()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "made"


def _descriptors() -> dict[str, str]:
    found = {}
    for link in Path("/proc/self/fd").iterdir():
        try:
            found[link.name] = str(link.readlink())
        except OSError:  # that of the listing itself
            continue
    return found


def framed(
    head: bytes, payload: bytes = b"", *, head_bytes: int | None = None, payload_bytes: int | None = None
) -> bytes:
    """Return a frame as the channel writes it, with other lengths in its prefix where they are given."""
    head_bytes = len(head) if head_bytes is None else head_bytes
    payload_bytes = len(payload) if payload_bytes is None else payload_bytes
    return struct.pack("<II", head_bytes, payload_bytes) + head + payload


def build(options: dict[str, Any]) -> Probe:
    return Probe(options)


def build_and_fail(_options: dict[str, Any]) -> Probe:
    raise RuntimeError("the handler cannot be built")


def build_and_refuse(_options: dict[str, Any]) -> Probe:
    raise ModelMissing("There is no such model.")


def build_too_large(_options: dict[str, Any]) -> Probe:
    raise MemoryError


def build_and_crash(_options: dict[str, Any]) -> Probe:
    os.kill(os.getpid(), signal.SIGSEGV)
    return Probe({})


def build_once_in_two(options: dict[str, Any]) -> Probe:
    """Fail unless the file `mark` is there; leave it."""
    mark = Path(options["mark"])
    if not mark.exists():
        mark.touch()
        raise RuntimeError("the handler cannot be built the first time")
    return Probe(options)


def build_when_told(options: dict[str, Any]) -> Probe:
    while not Path(options["sign"]).exists():
        time.sleep(0.002)
    return Probe(options)


def build_never(_options: dict[str, Any]) -> Probe:
    while True:
        time.sleep(1)


def build_with_pictures(options: dict[str, Any]) -> Probe:
    """Import what decodes pictures, as every child of vision does."""
    importlib.import_module("numpy")
    importlib.import_module("PIL.Image")
    return Probe(options)
