"""The calls that a child has and no slot of it works on yet."""

from __future__ import annotations

import threading
from collections import deque

from app.workers.channel import Frame


class Backlog:
    """First in, first out; a call can be taken back as long as no slot has taken it."""

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque()
        self._changed = threading.Condition()

    def put(self, frame: Frame) -> None:
        with self._changed:
            self._frames.append(frame)
            self._changed.notify()

    def take(self) -> Frame:
        """Wait for a call and return it."""
        with self._changed:
            while not self._frames:
                self._changed.wait()
            return self._frames.popleft()

    def take_back(self, number: int) -> bool:
        """Remove the call of this number; False: it is not here any more."""
        with self._changed:
            found = next((frame for frame in self._frames if frame.head["call"] == number), None)
            if found is not None:
                self._frames.remove(found)
        return found is not None
