"""What is left of the run before this one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.memory.postmortem import BlackBox, LastOom

SNAPSHOT: dict[str, Any] = {"oomKills": 2, "level": "HIGH", "holders": [{"owner": "api"}]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "memory.json"


def test_the_first_run_has_none_before_it(path: Path) -> None:
    assert BlackBox(path).read(oom_kills=5) is None


def test_a_run_that_ended_in_order_is_not_told(path: Path) -> None:
    box = BlackBox(path)
    box.write(SNAPSHOT)
    box.write(SNAPSHOT, clean=True)

    assert BlackBox(path).read(oom_kills=2) is None


def test_a_run_that_did_not_is_told_with_its_last_snapshot(path: Path) -> None:
    box = BlackBox(path)
    box.write({**SNAPSHOT, "level": "LOW"})
    box.write(SNAPSHOT)

    assert BlackBox(path).read(oom_kills=2) == LastOom("inferred", SNAPSHOT)


@pytest.mark.parametrize(("now", "evidence"), [(3, "counter"), (2, "inferred"), (0, "inferred")])
def test_the_counter_of_the_kernel_is_evidence_only_if_it_rose(path: Path, now: int, evidence: str) -> None:
    BlackBox(path).write(SNAPSHOT)

    last = BlackBox(path).read(oom_kills=now)

    assert last is not None
    assert last.evidence == evidence


def test_a_clean_end_counts_even_where_the_counter_rose(path: Path) -> None:
    BlackBox(path).write(SNAPSHOT, clean=True)

    assert BlackBox(path).read(oom_kills=9) is None


def test_the_mark_of_an_earlier_clean_end_is_gone_with_the_next_snapshot(path: Path) -> None:
    BlackBox(path).write(SNAPSHOT, clean=True)
    BlackBox(path).write(SNAPSHOT)

    assert BlackBox(path).read(oom_kills=2) is not None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"clean": false}',
        b'{"clean": false, "snapshot": {}}',
        b'{"clean": false, "snapshot": {"oomKills": "many"}}',
        b'{"clean": false, "snapshot": null}',
    ],
)
def test_a_broken_file_is_logged_and_passed_over(path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.write_bytes(content)

    assert BlackBox(path).read(oom_kills=1) is None
    assert "cannot be read" in caplog.text


def test_a_folder_in_its_place_is_logged_and_passed_over(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.mkdir(parents=True)

    assert BlackBox(path).read(oom_kills=1) is None
    BlackBox(path).write(SNAPSHOT)

    assert "cannot be read" in caplog.text
    assert "cannot be written" in caplog.text


def test_a_folder_that_cannot_be_made_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state").write_text("a file")

    BlackBox(tmp_path / "state" / "memory.json").write(SNAPSHOT)

    assert "cannot be written" in caplog.text


def test_a_crash_while_writing_leaves_the_snapshot_before(path: Path) -> None:
    box = BlackBox(path)
    box.write(SNAPSHOT)
    path.with_suffix(".new").write_text('{"clean": fal')  # as far as it came

    assert BlackBox(path).read(oom_kills=2) == LastOom("inferred", SNAPSHOT)
    box.write(SNAPSHOT, clean=True)
    assert BlackBox(path).read(oom_kills=2) is None


def test_nothing_else_is_left_beside_the_file(path: Path) -> None:
    BlackBox(path).write(SNAPSHOT)

    assert [one.name for one in path.parent.iterdir()] == ["memory.json"]
    assert json.loads(path.read_text()) == {"clean": False, "snapshot": SNAPSHOT}


def test_the_clean_end_is_the_last_word_of_a_run(path: Path) -> None:
    """Cancelling the measuring does not stop the thread that writes: it may come after the mark."""
    box = BlackBox(path)
    box.write(SNAPSHOT, clean=True)
    box.write(SNAPSHOT)

    assert BlackBox(path).read(oom_kills=2) is None
