"""All streams: who gets a place, and what is counted over them."""

from __future__ import annotations

import logging

from app.domain.priority import Priority
from app.log import ThrottledLog
from app.media.pictures import Pictures
from app.memory.governor import Governor
from app.settings import VisionSettings
from app.vision.analysis import Analysis
from app.vision.frames import STREAM_BYTES, StreamBuffers
from app.vision.session import Connection, StreamRequest, StreamSession
from app.vision.stream_tools import StreamCounters, StreamTools

logger = logging.getLogger("ballast.vision")

CLOSE_TRY_LATER = 1013


class Streams:
    """Opens sessions, as many as the settings and memory allow."""

    def __init__(self, analysis: Analysis, governor: Governor, pictures: Pictures, settings: VisionSettings) -> None:
        """`pictures`: how frames wait for memory."""
        self._tools = StreamTools(analysis, governor, pictures, settings)
        self._log = ThrottledLog(logger)

    @property
    def counters(self) -> StreamCounters:
        return self._tools.counters

    async def serve(self, connection: Connection, request: StreamRequest) -> None:
        """Serve one client until it goes, is idle for too long, or sends too much."""
        tools = self._tools
        is_full = tools.counters.active >= tools.settings.max_streams
        parts = {"frames": STREAM_BYTES}
        buffers = None if is_full else tools.governor.budget.try_reserve(parts, owner="stream", priority=Priority.LIVE)
        if buffers is None:
            tools.counters.refused += 1
            reason = "too many streams are open" if is_full else "memory is tight"
            self._log.warning(reason, "a stream is refused: %s", reason, active=tools.counters.active)
            await connection.close(CLOSE_TRY_LATER, reason)
            return
        tools.counters.opened += 1
        tools.counters.active += 1
        try:
            await StreamSession(tools, request, connection, StreamBuffers(buffers)).run()
        finally:
            tools.counters.active -= 1
            buffers.release()
