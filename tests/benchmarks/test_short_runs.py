"""The benchmarks themselves: their short forms run to the end and print their tables."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.media import MEDIA
from benchmarks.server import REPOSITORY, SCRATCH

MODELS = REPOSITORY / os.environ.get("BALLAST_MODELS__DIR", "models")
CAN_RUN = MEDIA.is_dir() and (MODELS / "hand_landmarker.task").is_file() and shutil.which("ffmpeg") is not None

pytestmark = [
    pytest.mark.photo,
    pytest.mark.model,
    pytest.mark.skipif(not CAN_RUN and "CI" not in os.environ, reason="needs ../shared/media, the models and ffmpeg"),
]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("footprint", "| with hands, after one request "),
        ("roundtrip", "| added by the service, median of a round "),
        ("stream", "| lag p95 (bound: 2 x median inference + 20 ms) "),
        ("multipart", "| boundary and a byte "),
        ("images", "| hits a second and core, by CPU "),
        ("vision", "| throughput over that of the bare processes "),
        ("children", "| memory of pose back after its end "),
        ("video", "| submit to start, jobs child there "),
        ("ratios", "| round trip of a photo, 1/s "),
        ("page", "| memory "),
    ],
)
def test_a_short_run_prints_its_table_and_leaves_nothing_behind(name: str, row: str) -> None:
    before = folders()

    finished = run(name, "--short")

    assert finished.returncode == 0, finished.stderr
    assert f"`python -m benchmarks.{name} --short` on " in finished.stdout
    assert row in finished.stdout
    assert folders() <= before


@pytest.mark.timeout(300)
def test_another_checkout_is_measured_in_the_same_rounds() -> None:
    finished = run("roundtrip", "--short", "--against", str(REPOSITORY))

    assert finished.returncode == 0, finished.stderr
    compared = finished.stdout.partition("this checkout")[2]
    assert "ratio, median [min..max]" in compared
    assert "| added by the service, median of a round " in compared


def test_the_import_report_shows_each_stage_and_the_modules_that_weigh_most() -> None:
    command = [sys.executable, "-m", "benchmarks.footprint", "--imports"]

    finished = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)

    assert finished.returncode == 0, finished.stderr
    assert "| FastAPI and pydantic " in finished.stdout
    assert "| open_house " in finished.stdout
    assert "| fastapi.routing " in finished.stdout


def folders() -> set[Path]:
    return set(SCRATCH.glob("bench-*"))
