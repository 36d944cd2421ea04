"""`ballast serve`: the service itself."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from app.command import Command, CommandRefused

if TYPE_CHECKING:
    from app.settings import Settings


class Serve(Command):
    name = "serve"
    summary = "run the service (settings: BALLAST_* variables, docs/settings.md)"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="check the settings and exit")

    def run(self, options: Namespace) -> int:
        """Serve until a signal comes."""
        from app import log
        from app.workers.cage import hide_from_others

        hide_from_others()  # first of all: the keys in our environment are read next
        from app.configuration import read_settings

        settings = read_settings()
        warnings = _warnings(settings)
        if options.check:
            for warning in warnings:
                print(f"ballast: warning: {warning}")
            return 0
        from app.main import create_app
        from app.server.listeners import Server
        from app.settings import UnusableSettings
        from app.storage.filesystem import UnusableRoot

        log.configure(settings.log.level)
        logger = logging.getLogger("ballast")
        for warning in warnings:
            logger.warning(warning)
        try:
            return Server(create_app(settings), settings).run()
        except (UnusableRoot, UnusableSettings) as error:
            raise CommandRefused(str(error)) from error


def _warnings(settings: Settings) -> list[str]:
    """Return what is odd about the settings, here.

    Raises:
        CommandRefused: they contradict themselves, or do not go with this machine.
    """
    from app.contradictions import find_contradictions
    from app.memory.limit import find_limit
    from app.settings.variables import unread_variables

    found = list(find_contradictions(settings, find_limit(settings.memory.limit)))
    if refused := [one.sentence for one in found if one.refused]:
        raise CommandRefused(*refused)
    return [*(one.sentence for one in found), *unread_variables(type(settings))]
