"""`ballast` and `python -m app`: runs one command of `commands/`."""

from __future__ import annotations

import sys

REFUSED = 2
"""Exit code where a command cannot begin; `argparse` has the same for arguments that it cannot read."""


def main(arguments: list[str] | None = None, package: str = "app.commands") -> int:
    """Run one command of `package` and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    match arguments:  # those that the service itself starts have no parser, so that they start lean
        case ["worker", descriptor, parent_pid]:
            from app.workers import child

            child.run(int(descriptor), int(parent_pid))
        case ["zygote", descriptor, parent_pid]:
            from app.workers import forker

            forker.run(int(descriptor), int(parent_pid))
    return _run(arguments, package)


def _run(arguments: list[str], package: str) -> int:
    from argparse import ArgumentParser

    from app.command import CommandRefused, find_commands

    parser = ArgumentParser("ballast", description="An HTTP media service that cannot run out of memory.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    wanted = arguments[0] if arguments else ""
    commands = find_commands(package, wanted)
    for name, command in commands.items():
        subparser = subparsers.add_parser(name, help=command.summary, description=command.summary)
        if name == wanted:
            command.add_arguments(subparser)
    options = parser.parse_args(arguments)
    try:
        return commands[options.command].run(options)
    except CommandRefused as refusal:
        for sentence in refusal.sentences:
            print(f"ballast: {sentence}", file=sys.stderr)
        return REFUSED


if __name__ == "__main__":
    sys.exit(main())
