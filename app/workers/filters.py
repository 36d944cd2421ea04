"""What the kernel lets each kind of process of ours call: seccomp filters, as classic BPF (seccomp(2), linux/filter.h).

| profile | put on | what is its own |
|---|---|---|
| ZYGOTE | as it starts, before it imports anything | may fork, and watch and kill what it forked; opens files |
| CHILD | after the fork, before its model is loaded | no process, no signal to others; opens nothing for writing |
| PROGRAM | before FFmpeg's program replaces the starter | as CHILD, but execve(2): that start is still to come |

Filters add up: a child that was forked is held by its zygote's as well. Imports next to nothing: `caged.py` needs it.
"""

from __future__ import annotations

import struct

from app.workers.system_calls import NEWEST, SystemCalls

# Codes of the instructions used, and seccomp's return values.
_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_NOT_PERMITTED, _NO_ACCESS, _NOT_THERE = _ERRNO | 1, _ERRNO | 13, _ERRNO | 38
# Offsets in struct seccomp_data; of an argument, that of its lower half (both machines are little-endian).
_NR, _ARCH, _ARGUMENTS = 0, 4, 16

_CLONE_THREAD = 0x10000
_CHANGING = 0o1 | 0o2 | 0o100 | 0o1000 | 0o20000000
"""O_WRONLY, O_RDWR, O_CREAT, O_TRUNC and what O_TMPFILE adds to O_DIRECTORY (asm-generic/fcntl.h)."""
_SIGNALLING_FCNTL = (8, 10, 15)
"""F_SETOWN, F_SETSIG, F_SETOWN_EX: they have the kernel send any signal to any process of the same user."""
_HARMFUL_IOCTL = (0x5412, 0x541C, 0x8901, 0x8902)
"""TIOCSTI and TIOCLINUX type into our terminal; FIOSETOWN and SIOCSPGRP are F_SETOWN."""

_OWN_PID = 0x7E5E1F1D
"""Stands for the process id until that is known; the kernel gives none so large."""

_Step = tuple[int, int, int, int]
"""Code, jump if true, jump if false, value."""


ZYGOTE, CHILD, PROGRAM = "zygote", "child", "program"

_REFUSED_EVERYWHERE = ("identities", "mounts", "kernel", "shared memory")
_OF_THE_ZYGOTE = frozenset({"fork", "vfork", "pidfd_open", "setpriority"})
_OF_A_START = frozenset({"execve"})


_ALLOWED_SOCKETS = {
    "none": frozenset[str](),
    "pairs": frozenset({"socketpair"}),
    "network": frozenset({"socketpair", "socket", "connect"}),
}
"""By what a child may make (`domain.sandbox.Sockets`): nobody listens."""


def compile_filter(machine: str, profile: str, *, may_write: bool = False, sockets: str = "none") -> bytes:
    """Return the BPF program for a process of this kind, for `bind`; nothing where the machine (uname(2)) is not known.

    `may_write` lets it change files, as far as something else does not refuse that (`landlock.py`); `sockets` which it
    may make. Takes 0.5 ms.
    """
    try:
        calls = SystemCalls(machine)
    except KeyError:
        return b""
    steps = [
        *_beginning(calls, profile),
        *_answer(calls.group("sockets", without=_ALLOWED_SOCKETS[sockets]), _NO_ACCESS),
        *_refusals(calls, profile, may_write),
        *_checked(calls, profile, may_write),
        *_checked_by_pid(calls, profile),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def bind(code: bytes, pid: int) -> bytes:
    """Return what `compile_filter` made for the process `pid`, which knows itself by that number."""
    return code.replace(_OWN_PID.to_bytes(4, "little"), pid.to_bytes(4, "little"))


def _beginning(calls: SystemCalls, profile: str) -> list[_Step]:
    """Kill for calls of another architecture, and refuse what is too new (x32 has its numbers far above)."""
    steps = [
        (_LOAD, 0, 0, _ARCH),
        (_JUMP_EQUAL, 1, 0, calls.architecture),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NR),
    ]
    if profile is ZYGOTE:  # its children enter a Landlock ruleset each
        steps += _answer(calls.group("landlock"), _ALLOW)
    return [*steps, (_JUMP_GREATER_EQUAL, 0, 1, NEWEST + 1), (_RETURN, 0, 0, _NOT_THERE)]


def _refusals(calls: SystemCalls, profile: str, may_write: bool) -> list[_Step]:
    without = {ZYGOTE: _OF_THE_ZYGOTE, PROGRAM: _OF_A_START}.get(profile, frozenset())
    names = [*_REFUSED_EVERYWHERE, "programs", "processes", "priorities", *([] if may_write else ["changes of files"])]
    steps = _answer(calls.group("queued work"), _NOT_THERE)
    for name in names:
        steps += _answer(calls.group(name, without=without), _NOT_PERMITTED)
    return steps


def _checked(calls: SystemCalls, profile: str, may_write: bool) -> list[_Step]:
    steps = _check(calls.number("fcntl"), 1, [(_JUMP_EQUAL, cmd, _NOT_PERMITTED) for cmd in _SIGNALLING_FCNTL], _ALLOW)
    steps += _check(calls.number("ioctl"), 1, [(_JUMP_EQUAL, cmd, _NOT_PERMITTED) for cmd in _HARMFUL_IOCTL], _ALLOW)
    if profile is ZYGOTE:
        return steps
    # These take their flags in memory, where a filter cannot look. The C library falls back to their elders.
    steps += _answer([number for name in ("clone3", "openat2") if (number := calls.number(name))], _NOT_THERE)
    steps += _check(calls.number("clone"), 0, [(_JUMP_SET, _CLONE_THREAD, _ALLOW)], _NOT_PERMITTED)
    if not may_write:
        for name, argument in (("open", 1), ("openat", 2)):
            steps += _check(calls.number(name), argument, [(_JUMP_SET, _CHANGING, _NO_ACCESS)], _ALLOW)
    return steps


def _checked_by_pid(calls: SystemCalls, profile: str) -> list[_Step]:
    """Let a process do to itself what it must not do to others: abort(3) sends a signal, rlimits are set."""
    names = ["prlimit64", "sched_setaffinity"]
    if profile is not ZYGOTE:
        names += ["kill", "tgkill", "rt_tgsigqueueinfo"]
    steps = []
    for name in names:
        own = [_OWN_PID] if "kill" in name else [0, _OWN_PID]  # 0 means the whole process group to kill(2)
        steps += _check(calls.number(name), 0, [(_JUMP_EQUAL, value, _ALLOW) for value in own], _NOT_PERMITTED)
    return steps


def _answer(numbers: list[int], outcome: int) -> list[_Step]:
    """Return the steps that answer all of these calls alike."""
    last = len(numbers) - 1
    jumps = [(_JUMP_EQUAL, last - place, int(place == last), number) for place, number in enumerate(numbers)]
    return [*jumps, (_RETURN, 0, 0, outcome)]


def _check(number: int | None, argument: int, tests: list[tuple[int, int, int]], otherwise: int) -> list[_Step]:
    """Return the steps that answer one call by its argument: each test is (jump, value, outcome where it holds)."""
    if number is None:
        return []
    steps: list[_Step] = [(_LOAD, 0, 0, _ARGUMENTS + 8 * argument)]
    for code, value, outcome in tests:
        steps += [(code, 0, 1, value), (_RETURN, 0, 0, outcome)]
    steps.append((_RETURN, 0, 0, otherwise))
    return [(_JUMP_EQUAL, 0, len(steps), number), *steps]
