"""Real videos, frame by frame through a stream: what is found is what is there."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.e2e.server import RunningServer, run_server
from tests.media_files import media_folder

pytestmark = [pytest.mark.model, pytest.mark.photo]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("videos")) as server:
        yield server


def test_a_hand_is_found_in_nearly_every_frame_of_the_hand_video(server: RunningServer, tmp_path: Path) -> None:
    frames = frames_of("hand_202_frames.mp4", tmp_path)

    answers = looked_at(server, "hands", frames)

    assert len(answers) == 202
    assert sum(bool(answer["detections"]) for answer in answers) >= 200


def test_the_hand_and_its_gesture_are_found_in_the_video_of_a_thumb(server: RunningServer, tmp_path: Path) -> None:
    """The hand comes in and goes out, and the thumb is not up all the time."""
    frames = frames_of("gesture_thumb_up_195_frames_720p.mp4", tmp_path)

    answers = looked_at(server, "gestures", frames)

    gestures = [{found["gesture"]["label"] for found in answer["detections"]} for answer in answers]
    assert len(answers) == 195
    assert sum(bool(answer["detections"]) for answer in answers) >= 165
    assert sum("Thumb_Up" in labels for labels in gestures) >= 135


def frames_of(name: str, folder: Path) -> list[bytes]:
    """Return all frames of a video as JPEGs in its own size, as ffmpeg makes them with `-q:v 3`."""
    program = shutil.which("ffmpeg")
    assert program is not None
    source = ["-nostdin", "-loglevel", "error", "-i", str(media_folder() / name)]
    form = ["-fps_mode", "passthrough", "-pix_fmt", "yuvj420p", "-q:v", "3"]
    subprocess.run([program, *source, *form, str(folder / "%05d.jpg")], check=True)
    return [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]


def looked_at(server: RunningServer, task: str, frames: list[bytes]) -> list[dict[str, Any]]:
    """Send one frame after the other, each when the one before is answered; return the answers.

    Raises:
        AssertionError: a frame was not answered with a result, or another one was.
    """
    answers = []
    with connect(f"{server.websocket_url}/v1/vision/{task}/stream", compression=None, max_size=None) as stream:
        assert json.loads(stream.recv(timeout=15))["type"] == "ready"
        for number, frame in enumerate(frames, 1):
            stream.send(frame)
            answer = json.loads(stream.recv(timeout=15))
            assert (answer["type"], answer["seq"], answer["dropped"]) == ("result", number, 0), answer
            answers.append(answer)
    return answers
