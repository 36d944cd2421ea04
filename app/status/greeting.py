"""What the log says once, when the service is open: which build with which means."""

from __future__ import annotations

import logging

from app import __version__
from app.status.room import StatusRoom

logger = logging.getLogger("ballast")


def greet(status: StatusRoom) -> None:
    """Write the line. It names no path and no key."""
    settings, limit = status.core.settings, status.core.governor.sample
    storage, usage = settings.storage, status.media.store.usage()
    logger.info(
        "Ballast %s is open",
        __version__,
        extra={
            "limitBytes": limit.limit_bytes,
            "limitSource": limit.limit_source,
            "budgetBytes": status.core.governor.budget.statistics().total_bytes,
            "storage": storage.backend,
            "storedItems": usage.items,
            "storedBytes": usage.stored_bytes,
            "quotaBytes": storage.quota,
            "keys": len(settings.server.api_keys),
            "sandbox": settings.sandbox,
            "workers": status.vision.instances,
            "logLevel": settings.log.level,
        },
    )
