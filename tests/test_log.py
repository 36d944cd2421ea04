"""Log lines: one JSON object each, whatever is logged."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import warnings
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import log


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Give the stream that everything is logged to; afterwards logging is as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    quiet = {name: logging.getLogger(name).level for name in ("uvicorn.error", "python_multipart")}
    written = io.StringIO()
    yield written
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in quiet.items():
        logging.getLogger(name).setLevel(before)


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def _format(message: str, *arguments: object, **extra: object) -> str:
    record = logging.getLogger("ballast.test").makeRecord(
        "ballast.test", logging.INFO, __file__, 1, message, arguments, None, extra=extra
    )
    return log.JsonFormatter().format(record)


def test_a_line_has_time_level_logger_and_message(stream: io.StringIO) -> None:
    log.configure("info", stream)

    logging.getLogger("ballast.thing").warning("%d of %s", 3, "four", extra={"role": "vision"})

    (line,) = _lines(stream)
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line == {"level": "warning", "logger": "ballast.thing", "message": "3 of four", "role": "vision"}


def test_lines_below_the_level_are_left_out(stream: io.StringIO) -> None:
    log.configure("warning", stream)

    logging.getLogger("ballast").info("not this")
    logging.getLogger("ballast").error("this")

    assert [line["message"] for line in _lines(stream)] == ["this"]


def test_a_traceback_stays_within_its_line(stream: io.StringIO) -> None:
    log.configure("info", stream)

    try:
        raise RuntimeError("first\nsecond")
    except RuntimeError:
        logging.getLogger("ballast").exception("it failed")

    (line,) = _lines(stream)
    assert "RuntimeError: first\nsecond" in line["traceback"]


async def test_every_line_has_the_id_of_its_own_request(stream: io.StringIO) -> None:
    log.configure("info", stream)

    async def serve(name: str) -> None:
        log.request_id.set(name)
        await asyncio.sleep(0)
        logging.getLogger("ballast").info(name)

    await asyncio.gather(*(asyncio.create_task(serve(f"r{number}")) for number in range(5)))
    logging.getLogger("ballast").info("none")

    lines = _lines(stream)
    assert all(line["requestId"] == line["message"] for line in lines[:5])
    assert "requestId" not in lines[5]


def test_warnings_are_logged(stream: io.StringIO) -> None:
    log.configure("info", stream)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("look here", stacklevel=1)

    assert "look here" in _lines(stream)[0]["message"]


def test_it_may_be_configured_again(stream: io.StringIO) -> None:
    log.configure("info", io.StringIO())
    log.configure("info", stream)

    logging.getLogger("ballast").info("once")

    assert len(_lines(stream)) == 1


@given(st.text(), st.text(min_size=1))
def test_whatever_is_logged_is_one_line_of_json(message: str, value: str) -> None:
    line = _format("%s", message, value=value, thing=object())

    assert len(line.splitlines()) <= 1 + sum(line.count(mark) for mark in "\x85\u2028\u2029\x1c\x1d\x1e\x0b\x0c")
    assert "\n" not in line
    assert "\r" not in line
    assert json.loads(line)["message"] == message
    assert json.loads(line)["value"] == value


def test_of_many_lines_of_a_kind_some_are_written_and_the_others_counted(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    throttled = log.ThrottledLog(logging.getLogger("ballast.test"), lines=3, seconds=10, clock=lambda: now)
    for number in range(100):
        throttled.warning("full", "refused: %d", number, code="storage_full")
    throttled.warning("other", "refused: %s", "other")
    now = 10.0
    throttled.warning("full", "refused: %s", "later", code="storage_full")

    told = [(line.message, vars(line).get("code"), vars(line).get("leftOut")) for line in caplog.records]
    assert told == [
        ("refused: 0", "storage_full", None),
        ("refused: 1", "storage_full", None),
        ("refused: 2", "storage_full", None),
        ("refused: other", None, None),
        ("refused: later", "storage_full", 97),
    ]
