"""The real service with the kinds of `tests.jobs.samples`: `python -m tests.jobs.sample_service`."""

from __future__ import annotations

import sys

from app import log
from app.configuration import read_settings
from app.main import create_app
from app.server.listeners import Server
from app.workers.cage import hide_from_others

if __name__ == "__main__":
    hide_from_others()
    settings = read_settings()
    log.configure(settings.log.level)
    sys.exit(Server(create_app(settings, kinds="tests.jobs.samples"), settings).run())
