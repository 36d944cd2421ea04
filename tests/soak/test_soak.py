from __future__ import annotations

import argparse
from typing import Any

import pytest

from app.commands.soak import Soak
from app.domain.units import GIB, MIB
from soak.cold import drop_from_cache, program_folders
from soak.runner import unfinished


def report(**changes: Any) -> dict[str, Any]:
    idle: dict[str, Any] = {
        "budget": {"waiting": 0, "holders": [{"owner": "api"}, {"owner": "worker:vision"}]},
        "tempFiles": {"count": 0},
        "uploads": {"active": 0},
        "streams": {"active": 0},
    }
    return idle | changes


def test_an_idle_service_has_nothing_unfinished() -> None:
    assert unfinished(report()) == []


def test_work_files_uploads_and_streams_are_unfinished() -> None:
    busy = report(
        budget={"waiting": 2, "holders": [{"owner": "api"}, {"owner": "vision:hands"}]},
        tempFiles={"count": 1},
        uploads={"active": 1},
        streams={"active": 4},
    )

    assert unfinished(busy) == ["vision:hands", "2 waiting", "1 temporary files", "1 uploads", "4 streams"]


def test_the_command_reads_sizes_with_units() -> None:
    parser = argparse.ArgumentParser()
    Soak().add_arguments(parser)

    options = parser.parse_args(["--limit", "256M", "--upload", "1G", "--minutes", "2.5"])

    assert (options.limit, options.upload, options.minutes) == (256 * MIB, GIB, 2.5)
    assert (options.count, options.streams) == (1000, 4)


def test_the_command_refuses_what_is_no_size(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    Soak().add_arguments(parser)

    with pytest.raises(SystemExit):
        parser.parse_args(["--limit", "much"])

    assert "write a size as a number" in capsys.readouterr().err


def test_every_file_of_the_program_is_asked_to_leave_the_cache_once(tmp_path: Any) -> None:
    (tmp_path / "below").mkdir()
    for name in ("a", "below/b"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "gone").symlink_to("nowhere")

    assert drop_from_cache([tmp_path]) == 2
    folders = program_folders(tmp_path)
    assert tmp_path.resolve() in folders
    assert not [one for one in folders if any(other in one.parents for other in folders)]
