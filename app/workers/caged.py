"""Enters the cage and becomes another program: FFmpeg's. Run by its path as a program of its own.

`python -I -S -B caged.py`: it imports next to nothing, because each run waits for it. It writes no bytecode: that would
be cut at the limit of what the program may write. Nothing runs between fork and exec in the service itself, and no tool
is needed that the system may lack (prlimit, setpriv).
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    sys.path.append(os.path.abspath(f"{__file__}/../../.."))  # noqa: PTH100 - pathlib takes 10 ms

from app.workers import cage, filters, landlock


class Order:
    """What holds for the program: `name=value` for each, and its own arguments behind `--`.

    Once each: `parent` (process id), `niceness`, `score`, `required` (0 or 1). As often as need be: `limit`
    (NAME:NUMBER, as in `cage.limit`), `read`, `execute` and `write` (paths, as in `landlock.Rules`).
    """

    def __init__(self, arguments: list[str]) -> None:
        end = arguments.index("--")
        self.program = arguments[end + 1 :]
        self._words = [argument.partition("=")[::2] for argument in arguments[:end]]

    def number(self, name: str) -> int:
        return int(self.all(name)[0])

    def all(self, name: str) -> list[str]:
        return [value for word, value in self._words if word == name]


def main(order: Order) -> None:
    """Enter the cage and become the program."""
    cage.die_with(order.number("parent"))
    os.nice(order.number("niceness"))
    limits = [limit.partition(":")[::2] for limit in order.all("limit")]
    held = {
        "OOM score": cage.set_oom_score(order.number("score")),
        "resource limits": cage.limit(**{name: int(value) for name, value in limits}),
        "privileges": cage.drop_privileges(),
        "files": _confine_files(order),
        "system calls": _filter(may_write=bool(order.all("write"))),
    }
    missing = [part for part, holds in held.items() if not holds]
    if missing and order.number("required"):
        sys.exit(f"the sandbox cannot be entered: {', '.join(missing)}")
    os.execv(order.program[0], order.program)


def _confine_files(order: Order) -> bool:
    version = landlock.abi()
    if version == 0:
        return True  # the kernel has none: the memory probe and `ballast doctor` tell
    try:
        rules = landlock.Rules(version)
        rules.read(order.all("read"))
        rules.execute([order.program[0], *order.all("execute")])
        rules.change(order.all("write"))
        rules.restrict()
    except OSError:
        return False
    return True


def _filter(*, may_write: bool) -> bool:
    code = filters.compile_filter(os.uname().machine, filters.PROGRAM, may_write=may_write)
    return bool(code) and cage.filter_system_calls(filters.bind(code, os.getpid()))


if __name__ == "__main__":
    main(Order(sys.argv[1:]))
