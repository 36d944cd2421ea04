"""The progress line."""

from __future__ import annotations

import io

from app.terminal import ProgressLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_where_nobody_watches_only_what_is_said_is_written() -> None:
    stream = io.StringIO()
    line = ProgressLine(stream)

    line.show("half of it")
    line.say("done")
    line.clear()

    assert stream.getvalue() == "done\n"
    assert line.terminal is None


def test_on_a_terminal_what_is_said_takes_the_place_of_the_drawn_line() -> None:
    stream = Terminal()
    line = ProgressLine(stream)

    line.show("half of it")
    line.say("done")
    line.clear()

    assert stream.getvalue() == "\r\x1b[Khalf of it\r\x1b[Kdone\n"
    assert line.terminal is stream


def test_a_drawn_line_is_removed() -> None:
    stream = Terminal()
    line = ProgressLine(stream)

    line.show("half of it")
    line.clear()

    assert stream.getvalue() == "\r\x1b[Khalf of it\r\x1b[K"
