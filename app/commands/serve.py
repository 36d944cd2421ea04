"""`ballast serve`: the service itself."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace

from app.command import Command, CommandRefused


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
        from app.settings.variables import unknown_variables

        settings = read_settings()
        if options.check:
            return 0
        from app.main import create_app
        from app.server.listeners import Server
        from app.settings import UnusableSettings
        from app.storage.filesystem import UnusableRoot

        log.configure(settings.log.level)
        logger = logging.getLogger("ballast")
        for name in unknown_variables(type(settings)):
            logger.warning("no setting reads %s: a typing error?", name)
        if "null" in settings.server.origins:
            logger.warning("the Origin `null` is allowed: every sandboxed page and local file has it")
        try:
            return Server(create_app(settings), settings).run()
        except (UnusableRoot, UnusableSettings) as error:
            raise CommandRefused(str(error)) from error
