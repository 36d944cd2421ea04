"""What is told of a picture: its colour, and what its EXIF says in plain values."""

from __future__ import annotations

import json

import pytest
from PIL import Image, ImageCms

from app.imaging.examination import dominant_color, examined, read_exif

RED, BLUE, CLEAR = bytes((200, 10, 10, 255)), bytes((10, 10, 250, 255)), bytes((0, 255, 0, 0))


def exif_of() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "Camera\0"
    exif.get_ifd(0x8769).update({0x829A: (1, 250), 0x927C: b"secret notes", 0x9003: "2026:11:27 10:00:00"})
    exif.get_ifd(0x8825).update({1: "N", 2: (47.0, 30.0, 0.0)})
    return exif


@pytest.mark.parametrize(
    ("rgba", "color"),
    [(RED * 6 + BLUE * 4, "#c80a0a"), (RED * 2 + CLEAR * 9, "#c80a0a"), (CLEAR * 4, "#000000")],
    ids=["most", "what is seen", "nothing is seen"],
)
def test_the_dominant_colour_is_the_one_that_most_of_what_is_seen_has(rgba: bytes, color: str) -> None:
    assert dominant_color(rgba) == color


def test_exif_is_told_by_name_and_the_place_by_itself() -> None:
    found = read_exif(exif_of().tobytes())

    assert found is not None
    assert (found["Make"], found["DateTimeOriginal"]) == ("Camera", "2026:11:27 10:00:00")
    assert found["GPSInfo"] == {"GPSLatitudeRef": "N", "GPSLatitude": [47.0, 30.0, 0.0]}
    assert "MakerNote" not in found
    json.dumps(found)


@pytest.mark.parametrize("data", [b"", b"Exif\0\0", b"no exif at all", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_no_exif_and_broken_exif_are_nothing(data: bytes) -> None:
    assert read_exif(data) is None


def test_very_long_exif_is_left_out_and_the_rest_told() -> None:
    exif = Image.Exif()
    for tag in (0x010E, 0x010F, 0x0110, 0x0131, 0x013B, 0x8298):
        exif[tag] = "x" * 60_000

    told = json.loads(examined(Image.new("RGB", (10, 10)), exif.tobytes(), None, (1, False)))

    assert told["exif"] is None or all(len(text) <= 256 for text in told["exif"].values())
    assert told["dominantColor"] == "#000000"


def test_the_colour_profile_is_told_by_its_name() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    told = json.loads(examined(Image.new("RGB", (10, 10)), b"", profile, (1, False)))
    broken = json.loads(examined(Image.new("RGB", (10, 10)), b"", b"broken", (1, False)))

    assert told["profile"].startswith("sRGB")
    assert broken["profile"] is None
