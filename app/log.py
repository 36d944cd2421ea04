"""Logging: one JSON object a line on standard error, with the id of the request that it belongs to."""

from __future__ import annotations

import json
import logging
import math
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that is being answered in this context."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonFormatter(logging.Formatter):
    """Formats a record as `{"time", "level", "logger", "message", "requestId"?, ...extra, "traceback"?}`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (current := request_id.get()) is not None:
            line["requestId"] = current
        line.update({name: value for name, value in vars(record).items() if name not in _STANDARD})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class ThrottledLog:
    """Warns of what clients can cause as often as they like: so many lines of a kind in a while, the others counted.

    The first line of the next while says how many were left out.
    """

    def __init__(
        self,
        logger: logging.Logger,
        lines: int = 10,
        seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._lines = lines
        self._seconds = seconds
        self._clock = clock
        self._since: dict[str, float] = {}
        self._seen: Counter[str] = Counter()

    def warning(self, kind: str, message: str, *words: object, **members: object) -> None:
        """Write a line with further members, unless there were many of its kind. Kinds are few: they are kept."""
        now = self._clock()
        if now - self._since.get(kind, -math.inf) >= self._seconds:
            left_out = max(0, self._seen.pop(kind, 0) - self._lines)
            self._since[kind] = now
            members |= {"leftOut": left_out} if left_out else {}
        self._seen[kind] += 1
        if self._seen[kind] <= self._lines:
            self._logger.warning(message, *words, extra=members)


def configure(level: str, stream: TextIO = sys.stderr) -> None:
    """Send every logger of this process through `JsonFormatter` to `stream`; `level` as in `settings.log`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    # What it says at start-up is less than ours; its errors come through.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    # It warns of every broken form, which any client can send as often as it likes.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
