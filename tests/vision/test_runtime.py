"""MediaPipe is fed only with what it reads rightly. In a process of its own: the import is large."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.media_files import REPOSITORY

pytestmark = pytest.mark.skipif(importlib.util.find_spec("mediapipe") is None, reason="mediapipe is not installed")

_PROGRAM = """
import json, sys
import numpy as np
from app.vision import runtime

whole = np.zeros((8, 6, 3), np.uint8)
candidates = {
    "right": whole,
    "flipped": whole[::-1],
    "column by column": np.asfortranarray(whole),
    "every second": np.zeros((16, 12, 3), np.uint8)[::2, ::2],
    "with alpha": np.zeros((8, 6, 4), np.uint8),
    "grey": np.zeros((8, 6), np.uint8),
    "one channel": np.zeros((8, 6, 1), np.uint8),
    "float": whole.astype(np.float32),
    "signed": whole.astype(np.int8),
    "16 bits": whole.astype(np.uint16),
}

def outcome(rgb):
    try:
        image = runtime.picture(rgb)
    except ValueError:
        return "refused"
    return f"{image.width}x{image.height}"

runtime.vision("hand_landmarker")
libraries = ("matplotlib", "cv2", "absl", "sounddevice", "jax")
json.dump({
    "outcomes": {name: outcome(rgb) for name, rgb in candidates.items()},
    "real": [name for name in libraries if name in sys.modules],
    "parts": sorted({name.split(".")[4] for name in sys.modules if name.startswith("mediapipe.tasks.python.vision.")}),
}, sys.stdout)
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of each array, and which libraries and parts of MediaPipe were loaded."""

    outcomes: dict[str, str]
    real: list[str]
    parts: list[str]


@pytest.fixture(scope="module")
def seen() -> Seen:
    outcome = subprocess.run(
        [sys.executable, "-c", _PROGRAM], cwd=REPOSITORY, capture_output=True, text=True, timeout=50, check=True
    )
    return Seen(**json.loads(outcome.stdout))


def test_a_contiguous_rgb_array_of_bytes_is_taken(seen: Seen) -> None:
    assert seen.outcomes["right"] == "6x8"


def test_everything_that_mediapipe_would_misread_is_refused(seen: Seen) -> None:
    others = {name: outcome for name, outcome in seen.outcomes.items() if name != "right"}

    assert set(others.values()) == {"refused"}
    assert len(others) == 9


def test_the_libraries_it_does_not_need_are_not_loaded(seen: Seen) -> None:
    assert seen.real == []


def test_a_task_is_imported_when_it_is_asked_for_and_no_other_is(seen: Seen) -> None:
    assert seen.parts == ["core", "hand_landmarker"]
