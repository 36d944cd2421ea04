"""`ballast serve`: the service itself."""

from __future__ import annotations

import argparse
import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.settings import Settings

REFUSED = 2
"""Exit code where the settings are wrong or the machine is not fit for them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="check the settings and exit")


def run(options: argparse.Namespace) -> int:
    """Serve until a signal comes; return the exit code."""
    from app.configuration import SettingsRefused, read_settings

    try:
        settings = read_settings()
        return 0 if options.check else _serve(settings)
    except SettingsRefused as refusal:
        return _refuse(refusal.sentences)


def _serve(settings: Settings) -> int:
    from app import log
    from app.main import create_app
    from app.server.listeners import Server
    from app.settings import unknown_variables
    from app.storage.filesystem import UnusableRoot

    log.configure(settings.log.level)
    logger = logging.getLogger("ballast")
    for name in unknown_variables(type(settings)):
        logger.warning("no setting reads %s: a typing error?", name)
    if "null" in settings.server.origins:
        logger.warning("the Origin `null` is allowed: every sandboxed page and local file has it")
    try:
        return Server(create_app(settings), settings).run()
    except UnusableRoot as error:
        return _refuse([str(error)])


def _refuse(sentences: list[str]) -> int:
    for sentence in sentences:
        print(f"ballast: {sentence}", file=sys.stderr)
    return REFUSED
