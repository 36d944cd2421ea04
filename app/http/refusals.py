"""Tells the log of answers that say "not now": 429, 503 and 507, wherever in the service they come from."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from starlette.types import Message, Scope

from app.log import ThrottledLog

logger = logging.getLogger("ballast.api")

_TOLD = frozenset({429, 503, 507})
_MEMBERS = ("code", "detail", "neededBytes", "freeBytes", "limitBytes")


class RefusalLog:
    """One line for each such answer, with what its problem says; of many of one code in a short time, some."""

    def __init__(self) -> None:
        self._log = ThrottledLog(logger)

    @staticmethod
    def wants(message: Message) -> bool:
        """Whether this is the start of an answer that is told of; its body comes with the next message."""
        return message.get("status") in _TOLD

    def tell(self, scope: Scope, body: bytes) -> None:
        """Write the line; probes say "not now" all the time, and are left out."""
        if scope["path"].startswith("/health/"):
            return
        members = _members(body)
        method = scope.get("method", "WEBSOCKET")
        self._log.warning(str(members.get("code")), "refused: %s %s", method, scope["path"], **members)


def _members(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return {name: document[name] for name in _MEMBERS if name in document} if isinstance(document, dict) else {}
