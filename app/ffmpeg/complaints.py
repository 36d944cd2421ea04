"""What ffmpeg's error messages mean. Its exit code tells nothing: it differs by version, and is 0 where a decoder that
lacked memory left frames out (record 0031)."""

from __future__ import annotations

import logging
import re

from app.errors import BallastError, InvalidMedia, StorageFull, TooManyPixels, WorkerFailed
from app.ffmpeg.runner import MAX_PIXELS

logger = logging.getLogger("ballast.ffmpeg")

_KEPT_BYTES = 4096
_LOGGED_BYTES = 500
_OVERLAP_BYTES = 64
"""Longer than any of the signs: one may come in two pieces."""

_MEMORY = re.compile(
    rb"get_buffer\(\) failed|malloc of size|[Cc]annot allocate memory|failed to map|Error reinitializing filters"
    rb"|thread_encoder_init failed|[Ww]hile opening encoder"  # its options are ours, and right
    rb"|out of memory|Out of memory|bad_alloc|Failed to allocate|pthread_create failed|Resource temporarily unavailable"
)
_DISK = re.compile(rb"No space left on device|Disk quota exceeded|File too large")
_CUT = re.compile(rb"partial file|File ended prematurely")
"""Demuxers say so and go on; the exit code is 0."""

_PIXELS = re.compile(rb"exceeds specified max pixel count")
_BROKEN = re.compile(
    rb"Invalid data found|moov atom not found|Error opening input|could not find codec parameters|does not contain any"
    rb"|matches no streams|Invalid argument|End of file|Decoder \(codec .*\) not found|partial file|Conversion failed"
    rb"|Error while decoding|Error while processing the decoded data|Nothing was written|not currently supported"
)


class Starved(Exception):
    """A run ended because it lacked memory: its data limit, or the kernel or the governor ended it."""


class Complaints:
    """Follows the error messages of one run; keeps what they were about, and their end."""

    def __init__(self) -> None:
        self.tail = b""
        self.memory = False
        self.disk = False
        self.cut = False
        self.pixels = False
        self.broken = False
        self._lap = b""

    def feed(self, data: bytes) -> None:
        text = self._lap + data
        self.memory = self.memory or bool(_MEMORY.search(text))
        self.disk = self.disk or bool(_DISK.search(text))
        self.cut = self.cut or bool(_CUT.search(text))
        self.pixels = self.pixels or bool(_PIXELS.search(text))
        self.broken = self.broken or bool(_BROKEN.search(text))
        self._lap = text[-_OVERLAP_BYTES:]
        self.tail = (self.tail + data)[-_KEPT_BYTES:]

    def error(self, exit_code: int) -> BallastError | Starved | None:
        """Return what went wrong in a run that has ended (negative code: by that signal); None: nothing is known to.

        That it lacked memory comes first: all else may follow from it. What the messages say stays in the log.
        """
        if self.memory or exit_code in (-9, -6):  # SIGKILL by the kernel or the governor; an encoder's abort(3)
            logger.info("ffmpeg lacked memory (%d): %s", exit_code, self._last())
            return Starved()
        if self.disk or exit_code == -25:  # SIGXFSZ: larger than the file may be
            return StorageFull("The disk, or the part of it that this job may use, is full.")
        if self.cut:
            return InvalidMedia("The file ends too early: its end is missing.")
        if exit_code == 0:
            return None
        logger.warning("ffmpeg ended with %d: %s", exit_code, self._last())
        if self.pixels:
            return TooManyPixels(f"A video frame may have {MAX_PIXELS} pixels.", maxPixels=MAX_PIXELS)
        if self.broken:
            return InvalidMedia("The media is broken, or has not what this work needs of it.")
        return WorkerFailed("The media could not be processed.")

    def _last(self) -> str:
        return self.tail[-_LOGGED_BYTES:].decode(errors="replace")
