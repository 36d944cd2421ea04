"""Runs that were asked for while they were still going on."""

from __future__ import annotations

import threading

import pytest

from app.jobs.engine import claims
from app.jobs.engine.claims import Claims


def test_who_asked_for_a_run_that_was_going_on_is_told_when_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_LOOK_SECONDS", 0.01)
    looks, told = [], threading.Event()

    def is_over(name: str) -> bool:
        looks.append(name)
        if len(looks) == 1:
            raise OSError("the database is locked")
        return len(looks) > 3

    watched = Claims(is_over, lambda job_id, run: told.set() if (job_id, run) == ("j1", 2) else None)

    watched.add("j1-2", "j1", 2)

    assert told.wait(10)
    assert set(looks) == {"j1-2"}
