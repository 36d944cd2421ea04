"""`ballast` and `python -m app`: serve, worker, models, soak, doctor. Each command imports only what it needs."""

from __future__ import annotations

import argparse
import importlib
import sys

COMMANDS = {
    "serve": "run the service (settings: BALLAST_* variables, docs/settings.md)",
    "models": "fetch the model bundles and tell what is there",
    "soak": "put the service under a mixed load in a small memory control group, and judge it",
    "doctor": "check this machine and say how to mend what is wrong",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["worker"]:  # started by the service itself: no parser, so that a child starts lean
        from app.workers import child

        child.run(int(arguments[1]), int(arguments[2]))
        return 0
    parser = argparse.ArgumentParser("ballast", description="An HTTP media service that cannot run out of memory.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    wanted = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if name == wanted:
            importlib.import_module(f"app.commands.{name}").add_arguments(command)
    options = parser.parse_args(arguments)
    exit_code: int = importlib.import_module(f"app.commands.{options.command}").run(options)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
