"""The progress bar."""

from __future__ import annotations

import io

from app.commands.progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_where_nobody_watches_only_lines_are_written() -> None:
    stream = io.StringIO()
    bar = ProgressBar(stream)

    bar.show("model", 1, 2)
    bar.say("done")

    assert stream.getvalue() == "done\n"
    assert bar.terminal is None


def test_on_a_terminal_the_share_is_drawn_and_a_line_takes_its_place() -> None:
    stream = Terminal()
    bar = ProgressBar(stream)

    bar.show("model", 1024 * 1024, 4 * 1024 * 1024)
    bar.say("done")

    assert stream.getvalue() == f"\r\x1b[Kmodel [{'#' * 7:<30}]  25%  1.0 of 4.0 MiB\r\x1b[Kdone\n"
    assert bar.terminal is stream


def test_the_end_is_always_drawn() -> None:
    stream = Terminal()
    bar = ProgressBar(stream)

    bar.show("model", 1, 10)
    bar.show("model", 2, 10)
    bar.show("model", 10, 10)

    assert "20%" not in stream.getvalue()
    assert "100%" in stream.getvalue()
