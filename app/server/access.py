"""The access log: a line for each request, where a setting asks for it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from app.server.traffic import Answered

logger = logging.getLogger("ballast.access")

REQUEST_ID_KEY = "ballast.request_id"
"""Where the scope says which id a request has."""


class AccessLog:
    """Writes what was asked, by whom, and what came of it. The query is left out: keys and signatures are in it."""

    def write(self, scope: Mapping[str, Any], answered: Answered) -> None:
        """Write the line of one request; bytes are those of its body, and of its whole answer."""
        mark, peer = answered.mark, answered.mark.peer
        client = scope.get("client")
        logger.info(
            "%s %s %d",
            scope.get("method", "WEBSOCKET"),
            scope["path"],
            answered.status,
            extra={
                "route": answered.route,
                "status": answered.status,
                "seconds": round(answered.seconds, 4),
                "receivedBytes": max(0, peer.received_bytes - len(peer.inlet.unread) - mark.received_bytes),
                "sentBytes": peer.sent_bytes - mark.sent_bytes,
                "client": client[0] if client else None,
                "requestId": scope.get(REQUEST_ID_KEY),
            },
        )
