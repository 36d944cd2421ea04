"""What ffmpeg tells while it works: `-progress` writes blocks of `name=value`, each ended by `progress=...`."""

from __future__ import annotations

from dataclasses import dataclass

OPTIONS = ("-nostats", "-stats_period", "0.25")
"""Four blocks a second, and nothing of it among the error messages."""

_LINE_BYTES = 4096
"""A line that is longer is none of ffmpeg's."""


@dataclass(slots=True)
class Progress:
    """The last block: `seconds` of output (out_time_us; out_time_ms is in microseconds, too), `frames` of its first
    video stream, `size_bytes`. None: not told, as before the first packet (`N/A`)."""

    seconds: float | None = None
    frames: int | None = None
    size_bytes: int | None = None
    ended: bool = False


class ProgressReader:
    """Follows the blocks as they come, in pieces of any size."""

    def __init__(self) -> None:
        self.progress = Progress()
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-_LINE_BYTES:]
        for line in lines:
            name, _, value = line.strip().partition(b"=")
            self._take(name, value.strip())

    def _take(self, name: bytes, value: bytes) -> None:
        progress = self.progress
        if name == b"progress":
            progress.ended = value == b"end"
        elif not value.isdigit():  # N/A, and times before zero
            return
        elif name == b"out_time_us":
            progress.seconds = int(value) / 1e6
        elif name == b"frame":
            progress.frames = int(value)
        elif name == b"total_size":
            progress.size_bytes = int(value)
