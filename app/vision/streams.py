"""Frame streams: each answer is for the newest frame, whatever the client's frame rate."""

from __future__ import annotations

from app.domain.priority import Priority
from app.domain.units import KIB
from app.memory.governor import Governor
from app.settings import VisionSettings
from app.vision.analysis import Analysis
from app.vision.session import (
    CLOSE_TRY_LATER,
    Configure,
    Connection,
    StreamCounters,
    StreamOptions,
    StreamRoom,
    StreamSession,
)
from app.vision.task import VisionTask

STREAM_BYTES = 256 * KIB
"""What a stream holds with small frames; larger ones make it grow."""


class Streams:
    """Opens sessions and counts them."""

    def __init__(self, analysis: Analysis, governor: Governor, settings: VisionSettings) -> None:
        self.counters = StreamCounters()
        self._room = StreamRoom(analysis, governor, settings, self.counters)

    async def serve(
        self, connection: Connection, task: type[VisionTask], options: StreamOptions, configure: Configure, client: str
    ) -> None:
        """Serve one client until it goes, is idle for too long, or sends a frame above the cap."""
        if self.counters.active >= self._room.settings.max_streams:
            await connection.close(CLOSE_TRY_LATER, "too many streams are open")
            return
        buffers = self._room.governor.budget.try_reserve(
            {"frames": STREAM_BYTES}, owner="stream", priority=Priority.LIVE
        )
        if buffers is None:
            await connection.close(CLOSE_TRY_LATER, "memory is tight")
            return
        self.counters.active += 1
        try:
            await StreamSession(self._room, connection, buffers, task, options, configure, client).run()
        finally:
            self.counters.active -= 1
            buffers.release()
