"""What a command of `ballast` is: one class, in a file of its own in `commands/`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import ClassVar

from app.registry import discover, load


class CommandRefused(Exception):
    """The command cannot begin: settings or arguments are wrong, or the machine is not fit for it.

    `sentences` tell the person at the terminal why, one for each thing that is wrong.
    """

    def __init__(self, *sentences: str) -> None:
        super().__init__("; ".join(sentences))
        self.sentences: Sequence[str] = sentences


class Command(ABC):
    """`ballast NAME`. Its module has the same name, and imports what it needs only when it runs."""

    name: ClassVar[str]
    summary: ClassVar[str]

    def add_arguments(self, parser: ArgumentParser) -> None:  # noqa: B027 - a command may take nothing
        """Add what the command takes, if anything."""

    @abstractmethod
    def run(self, options: Namespace) -> int:
        """Do it and return the exit code.

        Raises:
            CommandRefused: it cannot begin.
        """


def find_commands(package: str, wanted: str = "") -> dict[str, Command]:
    """Return the command `wanted`, importing no other; all of them where there is none of that name."""
    try:
        found = {wanted: load(package, wanted, Command)}  # type: ignore[type-abstract]  # what it finds is concrete
    except LookupError:
        found = discover(package, Command)  # type: ignore[type-abstract]  # the same
    return {name: command() for name, command in found.items()}
