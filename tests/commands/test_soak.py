"""`ballast soak`: what it takes."""

from __future__ import annotations

import argparse

import pytest

from app.commands.soak import Soak
from app.domain.units import GIB, MIB
from soak.plan import ALL_TASKS


def test_the_command_reads_sizes_with_units() -> None:
    parser = argparse.ArgumentParser()
    Soak().add_arguments(parser)

    options = parser.parse_args(["--limit", "256M", "--upload", "1G", "--minutes", "2.5"])

    assert (options.limit, options.upload, options.minutes) == (256 * MIB, GIB, 2.5)
    assert (options.count, options.streams, options.tasks, options.images) == (1000, 4, ("hands",), 1)


def test_the_command_reads_tasks_with_commas() -> None:
    parser = argparse.ArgumentParser()
    Soak().add_arguments(parser)

    assert parser.parse_args(["--tasks", "hands, pose,hands"]).tasks == ("hands", "pose")
    assert parser.parse_args(["--tasks", "all"]).tasks == ALL_TASKS


def test_the_command_refuses_what_is_no_size(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    Soak().add_arguments(parser)

    with pytest.raises(SystemExit):
        parser.parse_args(["--limit", "much"])

    assert "write a size as a number" in capsys.readouterr().err
