"""A line of a terminal that is drawn again and again while something goes on."""

from __future__ import annotations

from typing import TextIO

_CLEAR = "\r\x1b[K"


class ProgressLine:
    """The last line of `stream`. Where that is no terminal, only what is said is written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._watched = stream.isatty()
        self._drawn = False

    @property
    def terminal(self) -> TextIO | None:
        """The terminal that somebody watches, if there is one."""
        return self._stream if self._watched else None

    def show(self, text: str) -> None:
        """Draw the line anew."""
        if self._watched:
            self._write(_CLEAR + text)
            self._drawn = True

    def say(self, text: str) -> None:
        """Write a line that stays, in the place of the drawn one if there is one."""
        self.clear()
        self._write(text + "\n")

    def clear(self) -> None:
        """Remove the drawn line."""
        if self._drawn:
            self._write(_CLEAR)
            self._drawn = False

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
