"""What is found in a picture. Coordinates are normalised to 0..1 of the width and height, as MediaPipe gives them."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class Landmark(TypedDict):
    """`z` is depth relative to the wrist, hip or head, in units of the width; world landmarks are in metres."""

    x: float
    y: float
    z: float
    visibility: NotRequired[float]


class Label(TypedDict):
    label: str
    score: float


class Box(TypedDict):
    """`x`, `y` is the upper left corner."""

    x: float
    y: float
    width: float
    height: float


class Mask(TypedDict):
    """Which pixels show it: size of the mask, the part of the picture that it covers (0..1), and maybe itself.

    `png` is the mask in base64, 8-bit grey: white where it is surely shown.
    """

    width: int
    height: int
    coverage: float
    png: NotRequired[str]


class Detection(TypedDict):
    """One hand, face or body; or the pixels that show people."""

    landmarks: list[Landmark]
    worldLandmarks: NotRequired[list[Landmark]]
    handedness: NotRequired[Label]
    gesture: NotRequired[Label]
    box: NotRequired[Box]
    score: NotRequired[float]
    blendshapes: NotRequired[dict[str, float]]
    mask: NotRequired[Mask]
