"""The gesture bundle that is installed, official or built, names its gestures."""

from __future__ import annotations

import importlib.util
import io
import os
import zipfile
from pathlib import Path

import pytest

from app.models import gesture_bundle
from app.models.assets import ModelAssets
from app.models.gesture_bundle import CLASSIFIER, LABELS
from app.models.packages import run_builder
from app.models.sources import SourceError
from app.settings import Settings

HEAD = "hand_gesture_recognizer.task"


def members(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}


@pytest.mark.model
def test_the_installed_bundle_carries_the_labels_in_their_order() -> None:
    assets = ModelAssets(Settings().models.dir)
    if not assets.present("gesture_recognizer.task") and "CI" not in os.environ:
        pytest.skip("gesture_recognizer.task is not installed")

    classifier = members(members(assets.path("gesture_recognizer.task").read_bytes())[HEAD])[CLASSIFIER]

    [labels] = members(classifier).values()
    assert labels.decode().split() == list(LABELS)


@pytest.mark.skipif(importlib.util.find_spec("mediapipe") is None, reason="mediapipe is not installed")
@pytest.mark.skipif(importlib.util.find_spec("mediapipe") is None, reason="mediapipe is not installed")
def test_a_classifier_that_is_no_model_is_no_part_of_a_bundle(tmp_path: Path) -> None:
    part, output = tmp_path / "wrong.tflite", tmp_path / "out.task"
    part.write_bytes(b"something else")

    # in a process of its own, as the installer does: the builder replaces modules
    with pytest.raises(SourceError, match=rf"{gesture_bundle.__name__} failed: struct.error"):
        run_builder(gesture_bundle.__name__, [part, part, part], output)

    assert not output.exists()
