"""Real photos with known answers: `../shared/media`, or BALLAST_TEST_MEDIA. Tests that use them are marked `photo`."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]

PHOTO_NAMES = ("thumb_up.jpg", "two_hands_pose.jpg", "business_person.png", "astronaut.png")


@dataclass(frozen=True, slots=True)
class Hand:
    """One hand: which it is, where its wrist is (0..1 of the width and height), its gesture and that one's score."""

    side: str
    wrist: tuple[float, float]
    gesture: str
    score: float


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo, and what mediapipe 1.2.2 finds in it at full size: the hands from left to right, the tips of noses.

    `face_noses` are those of the face landmarks, `pose_noses` those of the bodies, by the lite model.
    """

    path: Path
    width: int
    height: int
    sha256: str
    hands: tuple[Hand, ...]
    face_noses: tuple[tuple[float, float], ...]
    pose_noses: tuple[tuple[float, float], ...]

    def read(self) -> bytes:
        return self.path.read_bytes()


def media_folder() -> Path:
    return Path(os.environ.get("BALLAST_TEST_MEDIA") or REPOSITORY.parent / "shared" / "media")


def photo(name: str) -> Photo:
    """Return one photo and what is known of it (`expected.json`)."""
    return photos()[name]


def photos() -> dict[str, Photo]:
    expected = json.loads((media_folder() / "expected.json").read_text())
    return {name: _photo(name, known) for name, known in expected.items()}


def _photo(name: str, known: dict[str, Any]) -> Photo:
    width, height = known["size"]
    hands = [
        Hand(side, (x, y), gesture, score)
        for side, (x, y), (gesture, score) in zip(known["handedness"], known["wrist"], known["gestures"], strict=True)
    ]
    hands.sort(key=lambda hand: hand.wrist)
    return Photo(
        path=media_folder() / name,
        width=width,
        height=height,
        sha256=known["sha256"],
        hands=tuple(hands),
        face_noses=tuple((x, y) for x, y in known["nose_tip"]),
        pose_noses=tuple((x, y) for x, y in known["pose_nose"]),
    )
