"""What the log says of the pressure level, however often it changes."""

from __future__ import annotations

import itertools
import re

import pytest

from app.domain.pressure import PressureLevel
from app.memory.level_log import LevelLog

LOW, MODERATE, HIGH, CRITICAL = PressureLevel


def flap(log: LevelLog, seconds: int, level: PressureLevel = MODERATE) -> None:
    """Change up and down each second, from 0 on."""
    for second, (before, after) in zip(range(seconds), itertools.cycle([(LOW, level), (level, LOW)]), strict=False):
        log.changed(float(second), before, after, ["working set"], 0.7)


def test_a_change_is_told_with_its_reasons(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")

    LevelLog().changed(0.0, LOW, HIGH, ["the working set is 81 % of the limit"], 0.8123)

    (line,) = caplog.records
    assert (line.levelname, line.message) == ("WARNING", "pressure LOW -> HIGH")
    assert vars(line)["reasons"] == ["the working set is 81 % of the limit"]
    assert vars(line)["pressure"] == 0.812


def test_ten_minutes_of_changes_are_few_lines_that_count_them_all(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    log = LevelLog()

    flap(log, 600)
    log.look(700.0)

    told = [line for line in caplog.records if line.message.startswith("pressure ")]
    counted = [int(found[1]) for line in caplog.records if (found := re.search(r"changed (\d+) times", line.message))]
    assert len(caplog.records) <= 50
    assert len(told) + sum(counted) == 600


def test_that_it_is_critical_is_told_at_once_even_then(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    log = LevelLog()
    flap(log, 20)
    before = len(caplog.records)

    log.changed(21.0, LOW, CRITICAL, [], 0.95)
    log.changed(22.0, CRITICAL, HIGH, [], 0.85)
    log.changed(23.0, HIGH, CRITICAL, [], 0.95)

    assert [line.message for line in caplog.records[before:]] == ["pressure LOW -> CRITICAL"]
